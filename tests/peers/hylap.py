"""Turns the HyLAP tables (50 classification tasks, Wistuba, Schilling and Schmidt-Thieme 2015) into Heirloom's JSON Lines.

    python hylap.py FOLDER svm out/hylap-svm.jsonl
    python hylap.py FOLDER adaboost out/hylap-adaboost.jsonl

The folder is `data` of the repository nicoschilling/ECML2016: `svm` has 288 support vector machines a task (kernel, cost, width,
degree), `adaboost` 108 of AdaBoost (rounds, product terms). A line of a file is an accuracy and numbers by their index, scaled to at
most one; those after the parameters are meta-features of the task.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonl
from jsonl import Line, slug

SOURCE = "HyLAP meta-data, ECML 2016"
KERNELS = ["rbf", "poly", "linear"]
PARAMS: dict[str, list[Line]] = {
    "svm": [
        {"name": "kernel", "range": {"kind": "choice", "options": KERNELS}},
        {"name": "cost", "range": {"kind": "real", "lo": 2.0**-5, "hi": 2.0**6, "log": True}},
        {"name": "width", "range": {"kind": "real", "lo": 1e-4, "hi": 1e3, "log": True},
         "active_if": [{"param": "kernel", "any_of": ["rbf"]}]},
        {"name": "degree", "range": {"kind": "int", "lo": 2, "hi": 10}, "active_if": [{"param": "kernel", "any_of": ["poly"]}]},
    ],
    "adaboost": [
        {"name": "rounds", "range": {"kind": "int", "lo": 2, "hi": 10000, "log": True}},
        {"name": "product_terms", "range": {"kind": "int", "lo": 2, "hi": 30, "log": True}},
    ],
}  # fmt: skip


def svm(row: dict[int, float]) -> dict[str, Any]:
    kernel = next(name for index, name in enumerate(KERNELS) if row.get(index))
    values: dict[str, Any] = {"kernel": kernel, "cost": 2.0 ** round(6 * row.get(3, 0.0))}
    if kernel == "rbf":
        values["width"] = float(f"{10 ** (4 * row.get(4, 0.0)):.4g}")
    if kernel == "poly":
        values["degree"] = round(10 ** row[5])
    return values


def adaboost(row: dict[int, float]) -> dict[str, Any]:
    return {"rounds": round(10 ** (4 * row[0])), "product_terms": round(30 ** row[1])}


META_FEATURES = 22
SETTINGS = {"svm": (svm, 6), "adaboost": (adaboost, 2)}


def rows(path: Path) -> Iterator[tuple[float, dict[int, float]]]:
    """The accuracy of each line and its numbers by index; an index that is not there is zero."""
    for line in path.read_text(encoding="utf-8").splitlines():
        score, *pairs = line.split()
        yield float(score), {int(index): float(value) for index, value in (pair.split(":") for pair in pairs)}


def lines(folder: Path, table: str) -> Iterator[Line]:
    space = f"hylap-{table}/1"
    architecture, first = SETTINGS[table]
    yield {"type": "space", "id": space, "params": PARAMS[table]}
    for path in sorted((folder / table).iterdir()):
        task = slug(path.name)
        known = list(rows(path))
        about = {f"feature_{number}": known[0][1].get(first + number, 0.0) for number in range(META_FEATURES)}
        yield {"type": "task", "id": task, "domain": "tabular", "metric": "accuracy", "goal": "maximize", "meta_features": about,
               "source": SOURCE}  # fmt: skip
        for score, row in known:
            yield {"type": "trial", "task": task, "space": space, "architecture": architecture(row), "split": "validation",
                   "metric": "accuracy", "score": score, "source": SOURCE}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", choices=sorted(SETTINGS))
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    print(f"{jsonl.write(args.out, lines(args.folder, args.table))} lines in {args.out}")


if __name__ == "__main__":
    main()
