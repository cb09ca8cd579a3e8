"""Makes a history with learning curves: scikit-learn's `MLPClassifier` on twelve small tables, in Heirloom's JSON Lines.

    python sklearn_mlp.py out/sklearn-mlp.jsonl [--architectures 114] [--epochs 40] [--seed 0]

It needs scikit-learn and numpy, and takes about twenty minutes on one core. The tables are scikit-learn's own (iris, wine, breast cancer, digits and
parts of them) and made-up ones (`make_classification`, `make_moons` and the like); every task trains the same random architectures, and a
trial's curve has the validation accuracy after each epoch.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonl
import numpy as np
from jsonl import Line
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

SPACE = "sklearn-mlp/1"
PARAMS: list[Line] = [
    {"name": "layers", "range": {"kind": "int", "lo": 1, "hi": 3}},
    {"name": "width", "range": {"kind": "levels", "values": [8, 16, 32, 64, 128]}},
    {"name": "activation", "range": {"kind": "choice", "options": ["relu", "tanh", "logistic"]}},
    {"name": "solver", "range": {"kind": "choice", "options": ["adam", "sgd"]}},
    {"name": "momentum", "range": {"kind": "real", "lo": 0.5, "hi": 0.99},
     "active_if": [{"param": "solver", "any_of": ["sgd"]}]},
    {"name": "lr", "range": {"kind": "real", "lo": 1e-4, "hi": 1e-1, "log": True}},
    {"name": "alpha", "range": {"kind": "real", "lo": 1e-6, "hi": 1e-1, "log": True}},
    {"name": "batch", "range": {"kind": "levels", "values": [16, 32, 64]}},
]  # fmt: skip


def tables() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, examples, classes) of each task."""
    for name, load in [("iris", datasets.load_iris), ("wine", datasets.load_wine), ("breast-cancer", datasets.load_breast_cancer)]:
        yield name, *load(return_X_y=True)
    x, y = datasets.load_digits(return_X_y=True)
    yield "digits", x, y
    yield "digits-even", x[y % 2 == 0], y[y % 2 == 0]
    yield "digits-low", x[y < 5], y[y < 5]
    yield "digits-coarse", x.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(x), -1), y
    yield "moons", *datasets.make_moons(500, noise=0.25, random_state=0)
    yield "circles", *datasets.make_circles(500, noise=0.15, factor=0.5, random_state=0)
    yield "quantiles", *datasets.make_gaussian_quantiles(n_samples=600, n_features=5, n_classes=4, random_state=0)
    for name, classes, informative, flip in [("clusters", 3, 6, 0.05), ("noisy-clusters", 2, 8, 0.2)]:
        yield name, *datasets.make_classification(
            600, 20, n_informative=informative, n_classes=classes, n_clusters_per_class=2, flip_y=flip, random_state=0
        )


def draw(rng: np.random.Generator) -> dict[str, Any]:
    def log_between(lo: float, hi: float) -> float:
        return float(f"{np.exp(rng.uniform(np.log(lo), np.log(hi))):.4g}")

    values: dict[str, Any] = {
        "layers": int(rng.integers(1, 4)),
        "width": int(rng.choice([8, 16, 32, 64, 128])),
        "activation": str(rng.choice(["relu", "tanh", "logistic"])),
        "solver": str(rng.choice(["adam", "sgd"])),
        "lr": log_between(1e-4, 1e-1),
        "alpha": log_between(1e-6, 1e-1),
        "batch": int(rng.choice([16, 32, 64])),
    }
    if values["solver"] == "sgd":
        values["momentum"] = round(float(rng.uniform(0.5, 0.99)), 3)
    return values


def curve(values: dict[str, Any], parts: list[np.ndarray], epochs: int, seed: int) -> list[list[float]]:
    """Validation accuracies after each epoch."""
    x, x_validation, y, y_validation = parts
    model = MLPClassifier(
        [values["width"]] * values["layers"], activation=values["activation"], solver=values["solver"],
        learning_rate_init=values["lr"], alpha=values["alpha"], batch_size=values["batch"],
        momentum=values.get("momentum", 0.9), random_state=seed,
    )  # fmt: skip
    points = []
    for epoch in range(1, epochs + 1):
        model.partial_fit(x, y, classes=np.unique(y))
        points.append([epoch, round(float(model.score(x_validation, y_validation)), 6)])
    return points


def lines(architectures: int, epochs: int, seed: int) -> Iterator[Line]:
    rng = np.random.default_rng(seed)
    drawn = [draw(rng) for _ in range(architectures)]
    yield {"type": "space", "id": SPACE, "params": PARAMS}
    for name, x, y in tables():
        features = {"n_samples": len(x), "n_features": x.shape[1], "n_classes": len(np.unique(y))}
        yield {"type": "task", "id": name, "domain": "tabular", "metric": "accuracy", "goal": "maximize", "meta_features": features}
        x, x_validation, *classes = train_test_split(x, y, test_size=0.4, stratify=y, random_state=seed)
        scaler = StandardScaler().fit(x)
        parts = [scaler.transform(x), scaler.transform(x_validation), *classes]
        for values in drawn:
            points = curve(values, parts, epochs, seed)
            yield {
                "type": "trial", "task": name, "space": SPACE, "architecture": values, "split": "validation", "metric": "accuracy",
                "score": points[-1][1], "fidelity": {"epochs": epochs}, "curve": points, "seed": seed, "source": "MLPClassifier",
            }  # fmt: skip
        print(name, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--architectures", type=int, default=114)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(jsonl.write(args.out, lines(args.architectures, args.epochs, args.seed)), "lines")


if __name__ == "__main__":
    main()
