"""Turns auto-sklearn's table of configurations on OpenML tasks into Heirloom's JSON Lines: a space with conditions.

    python auto_sklearn.py FOLDER out/auto-sklearn.jsonl.zst

The folder is `autosklearn/metalearning/files/acc_metric_multiclass.classification_dense` of the repository auto-sklearn as it was in
April 2016, the last time that every configuration was run on every task (`configurations.csv`, `algorithm_runs.arff`,
`feature_values.arff`). Parameters that were never told apart are left out.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonl
from jsonl import Line, slug

SOURCE = "auto-sklearn meta-learning data, 2016-04"
SPACE = "auto-sklearn/1"


def arff(path: Path) -> list[dict[str, str]]:
    """The rows of a dense ARFF file by attribute."""
    names: list[str] = []
    rows: list[dict[str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.upper().startswith("@ATTRIBUTE"):
            names.append(line.split()[1])
        elif names and "," in line and not line.startswith(("@", "%")):
            rows.append(dict(zip(names, line.split(","), strict=True)))
    return rows


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def span(values: list[str]) -> dict[str, Any]:
    """The range that values of a parameter were taken from, as far as they tell."""
    numbers = [number(value) for value in values]
    if any(one is None for one in numbers) or len(set(values)) <= 2:
        return {"kind": "choice", "options": sorted(set(values))}
    known = [one for one in numbers if one is not None]
    low, high = min(known), max(known)
    log = low > 0 and high / low > 50
    kind = "int" if all(one.is_integer() for one in known) else "real"
    if kind == "int":
        return {"kind": "int", "lo": int(low), "hi": int(high), "log": log}
    return {"kind": "real", "lo": low, "hi": high, "log": log}


def params(table: list[dict[str, str]]) -> tuple[list[Line], dict[str, dict[str, Any]]]:
    """The space's parameters, those that others depend on first, and their ranges by the name of the column."""
    columns = [column for column in table[0] if column != "idx"]
    choices = [column for column in columns if column.endswith(":__choice__")]
    ranges: dict[str, dict[str, Any]] = {}
    lines: list[Line] = []
    for column in choices + [column for column in columns if column not in choices]:
        values = [row[column] for row in table if row[column] != ""]
        if len(set(values)) < 2:
            continue
        ranges[column] = span(values)
        line: Line = {"name": slug(column), "range": ranges[column]}
        parent = column.split(":")[0] + ":__choice__"
        if column.count(":") == 2 and parent in ranges:
            line["active_if"] = [{"param": slug(parent), "any_of": [column.split(":")[1]]}]
        lines.append(line)
    return lines, ranges


def architecture(row: dict[str, str], ranges: dict[str, dict[str, Any]], usual: dict[str, str]) -> dict[str, Any]:
    """The active values of a configuration. What was inactive under a condition of an algorithm's own takes the usual value."""
    values: dict[str, Any] = {}
    for column, about in ranges.items():
        group, _, rest = column.partition(":")
        algorithm = rest.split(":")[0]
        if column.count(":") == 2 and row.get(group + ":__choice__") != algorithm:
            continue
        text = row[column] or usual[column]
        values[slug(column)] = {"choice": str, "int": lambda text: int(float(text)), "real": float}[about["kind"]](text)
    return values


def lines(folder: Path) -> Iterator[Line]:
    with open(folder / "configurations.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    listed, ranges = params(table)
    yield {"type": "space", "id": SPACE, "params": listed}
    usual = {}
    for column in ranges:
        values = [row[column] for row in table if row[column] != ""]
        usual[column] = max(sorted(set(values)), key=values.count)
    by_index = {row["idx"]: architecture(row, ranges, usual) for row in table}
    features = {row["instance_id"]: row for row in arff(folder / "feature_values.arff")}
    runs = arff(folder / "algorithm_runs.arff")
    for task in sorted({run["instance_id"] for run in runs}):
        known = {slug(name): number(text) for name, text in features.get(task, {}).items() if name not in {"instance_id", "repetition"}}
        told = {name: value for name, value in known.items() if value is not None}
        yield {"type": "task", "id": slug(task), "domain": "tabular", "metric": "accuracy", "goal": "maximize", "meta_features": told,
               "source": SOURCE}
    for run in runs:
        if run["algorithm"] in by_index:
            yield {"type": "trial", "task": slug(run["instance_id"]), "space": SPACE, "architecture": by_index[run["algorithm"]],
                   "split": "validation", "metric": "accuracy", "score": 1.0 - float(run["acc_metric"]),
                   "costs": {"train_s": float(run["runtime"])}, "source": SOURCE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    print(f"{jsonl.write(args.out, lines(args.folder))} lines in {args.out}")


if __name__ == "__main__":
    main()
