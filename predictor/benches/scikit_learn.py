"""scikit-learn's times and R2 on the numbers of forest.rs, same settings: python scikit_learn.py [cores]"""

import sys
import time

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor


def uniform(index):
    """The index-th outputs of splitmix64 seeded with 0, in [0, 1)."""
    with np.errstate(over="ignore"):
        z = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(float) / 2.0**53


def examples(rows):
    """As `example` in forest.rs."""
    draws = uniform(np.add.outer(np.uint64(64) * rows.astype(np.uint64), np.arange(64, dtype=np.uint64)))
    levels = np.floor(draws[:, 20:40] * 10) / 9
    options = (draws[:, 40:44] * 5).astype(int)
    one_hot = (options[:, :, None] == np.arange(5)).astype(float).reshape(len(rows), 20)
    x = np.hstack([draws[:, :20], levels, one_hot])
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 5 * x[:, 3]
    y += 4 * x[:, 20] * x[:, 21] + 3 * (x[:, 22] > 0.5)
    y += 2 * options[:, 0] + 4 * (options[:, 1] == options[:, 2]) + draws[:, 44:56].sum(1) - 6
    return x, y


def main():
    cores = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    same = {"n_estimators": 100, "max_depth": 20, "min_samples_leaf": 2, "max_features": 0.5}
    models = {
        "forest": lambda: RandomForestRegressor(**same, n_jobs=cores, random_state=0),
        "extra trees": lambda: ExtraTreesRegressor(**same, n_jobs=cores, random_state=0),
        "boosting": lambda: HistGradientBoostingRegressor(
            max_iter=200, learning_rate=0.1, max_leaf_nodes=31, min_samples_leaf=20, max_bins=63, early_stopping=False
        ),
    }
    for n in (2_000, 20_000):
        train, test = examples(np.arange(n)), examples(np.arange(n, n + 2_000))
        for name, make in models.items():
            took = []
            for _ in range(3):
                start = time.perf_counter()
                model = make().fit(*train)
                took.append(time.perf_counter() - start)
            print(f"{name} {n}: {np.median(took):.3f} s, R2 {model.score(*test):.4f}")


main()
