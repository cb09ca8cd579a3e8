"""Turns published results of pretrained models into Heirloom's JSON Lines: one choice whose options have descriptors.

    python pretrained.py openclip openclip_results.csv out/openclip.jsonl.zst
    python pretrained.py timm RESULTS/ out/timm.jsonl.zst

The first file is `docs/openclip_results.csv` of the repository open_clip (zero-shot scores of 121 models on 38 data sets), the
folder is `results/` of pytorch-image-models (accuracies of 1,556 models on six variants of ImageNet). A published score is what a
user would see of a model, so it counts as a validation score.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import jsonl
from jsonl import Line

TIMM_TASKS = ["imagenet", "imagenet-a", "imagenet-r", "imagenet-real", "imagenetv2-matched-frequency", "sketch"]
TIMM_BENCHMARK = "benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def space(name: str, models: list[str], descriptors: dict[str, list[float]]) -> Line:
    """A space of one choice; a descriptor has a number for each model, in their order."""
    choice = {"kind": "choice", "options": models, "descriptors": descriptors}
    return {"type": "space", "id": name, "params": [{"name": "model", "range": choice}]}


def task(name: str, source: str) -> Line:
    return {"type": "task", "id": name, "domain": "image", "metric": "accuracy", "goal": "maximize", "source": source}


def trial(task_id: str, space_id: str, model: str, score: float, source: str) -> Line:
    return {"type": "trial", "task": task_id, "space": space_id, "architecture": {"model": model}, "split": "validation",
            "metric": "accuracy", "score": score, "source": source}


def openclip(path: Path) -> Iterator[Line]:
    source = "open_clip zero-shot results"
    # Both sources list the best model first; an order must not give that away.
    table = sorted(rows(path), key=lambda row: (row["name"], row["pretrained"]))
    sizes = {"params_m": "params (M)", "gflops": "FLOPs (B)"}
    sets = [column for column in table[0] if column not in {"name", "pretrained", *sizes.values()} and "Average" not in column]
    models = [f"{row['name']} {row['pretrained']}" for row in table]
    yield space("openclip/1", models, {name: [float(row[column]) for row in table] for name, column in sizes.items()})
    for column in sets:
        name = re.sub(r"[^a-z0-9]+", "-", column.lower())
        yield task(name, source)
        for model, row in zip(models, table, strict=True):
            if row[column]:
                yield trial(name, "openclip/1", model, float(row[column]), source)


def timm(folder: Path) -> Iterator[Line]:
    """Only models of the newest benchmark take part, for the others' sizes are not all known."""
    source = "pytorch-image-models results"
    sizes = {row["model"]: row for row in rows(folder / TIMM_BENCHMARK) if row["infer_gmacs"] and row["infer_macts"]}
    tables = {name: {row["model"]: row for row in rows(folder / f"results-{name}.csv")} for name in TIMM_TASKS}
    stems = {model: model.split(".")[0] for model in tables["imagenet"]}
    models = sorted(model for model, stem in stems.items() if stem in sizes)
    descriptors = {
        "params_m": [float(tables["imagenet"][model]["param_count"].replace(",", "")) for model in models],
        "gmacs": [float(sizes[stems[model]]["infer_gmacs"]) for model in models],
        "macts": [float(sizes[stems[model]]["infer_macts"]) for model in models],
        "image_size": [float(tables["imagenet"][model]["img_size"]) for model in models],
    }
    yield space("timm/1", models, descriptors)
    for name, table in tables.items():
        yield task(name, source)
        for model in models:
            if model in table:
                yield trial(name, "timm/1", model, float(table[model]["top1"]) / 100.0, source)


def main() -> None:
    """Writes what is asked for and says how many lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["openclip", "timm"])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    lines = {"openclip": openclip, "timm": timm}[args.kind](args.source)
    print(args.out, jsonl.write(args.out, lines), "lines")


if __name__ == "__main__":
    main()
