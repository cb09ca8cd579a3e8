"""Makes single tasks without a past: 500 measured architectures of a made-up function, so that whatever is proposed can be looked up.

    python functions.py few-matter --seed 1 out/few-matter-1.jsonl

Kinds: `few-matter` (2 of 8 real numbers), `quadratic` (6), `hartmann` (6, its logarithm), `ripples` (5), `mixed` (numbers and choices, the
learning rate rules) and `interactions` (its best depends on the optimiser, the activation's on the depth).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import pstdev

import jsonl

CANDIDATES, NOISE = 500, 0.03
REALS = {"few-matter": 8, "quadratic": 6, "hartmann": 6, "ripples": 5}
KINDS = [*REALS, "mixed", "interactions"]
ACTIVATIONS, OPTIMISERS = ["relu", "gelu", "tanh"], ["sgd", "adam", "lion", "rmsprop"]
MIXED = [
    {"name": "lr", "range": {"kind": "real", "lo": 1e-5, "hi": 1e-1, "log": True}},
    {"name": "wd", "range": {"kind": "real", "lo": 1e-6, "hi": 1e-2, "log": True}},
    {"name": "dropout", "range": {"kind": "real", "lo": 0.0, "hi": 0.6}},
    {"name": "width", "range": {"kind": "int", "lo": 16, "hi": 512, "log": True}},
    {"name": "layers", "range": {"kind": "int", "lo": 1, "hi": 8}},
    {"name": "act", "range": {"kind": "choice", "options": ACTIVATIONS}},
    {"name": "opt", "range": {"kind": "choice", "options": OPTIMISERS}},
]
HEIGHTS = [1, 1.2, 3, 3.2]
STEEPNESS = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
PEAKS = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann(at: list[float]) -> float:
    depths = (sum(a * (x - p) ** 2 for a, x, p in zip(steep, at, peak)) for steep, peak in zip(STEEPNESS, PEAKS))
    return sum(height * math.exp(-depth) for height, depth in zip(HEIGHTS, depths))


def of_reals(kind: str, chance: random.Random) -> Callable[[list[float]], float]:
    n = REALS[kind]
    centre = [chance.uniform(0.2, 0.8) for _ in range(n)]
    weights = [math.exp(chance.gauss(0, 0.7)) for _ in range(n)]
    if kind == "few-matter":
        matter = chance.sample(range(n), 2)
        return lambda at: -sum(weights[place] * (at[place] - centre[place]) ** 2 for place in matter)
    if kind == "quadratic":
        return lambda at: -sum(weight * (x - c) ** 2 for weight, x, c in zip(weights, at, centre))
    if kind == "hartmann":
        order, turned = chance.sample(range(n), n), [chance.random() < 0.5 for _ in range(n)]
        return lambda at: math.log(1e-3 + hartmann([1 - at[place] if turn else at[place] for place, turn in zip(order, turned)]))
    phases = [chance.uniform(0, 6) for _ in range(n)]
    return lambda at: sum(0.08 * math.sin(9 * x + phase) - abs(x - c) for x, c, phase in zip(at, centre, phases))


def of_mixed(kind: str, chance: random.Random) -> Callable[[dict], float]:
    rates = {option: chance.uniform(-4, -2) for option in OPTIMISERS}
    width, layers, dropout = chance.uniform(5.5, 8.5), chance.uniform(2, 7), chance.uniform(0.05, 0.4)
    costs = {option: chance.uniform(0, 0.05) for option in OPTIMISERS + ACTIVATIONS}

    def score(own: dict) -> float:
        rate = rates[own["opt"] if kind == "interactions" else "sgd"]
        value = -0.3 * (1 - math.exp(-((math.log10(own["lr"]) - rate) ** 2) / 1.5)) - costs[own["opt"]]
        value -= 0.005 * (math.log2(own["width"]) - width) ** 2 + 0.75 * (own["dropout"] - dropout) ** 2
        if kind == "interactions":
            return value - (0.06 if (own["act"] == "tanh") == (own["layers"] > 4) else 0)
        return value - 0.0025 * (own["layers"] - layers) ** 2 - costs[own["act"]]

    return score


def mixed(chance: random.Random) -> dict:
    numbers = {"lr": 10 ** chance.uniform(-5, -1), "wd": 10 ** chance.uniform(-6, -2), "dropout": chance.uniform(0, 0.6)}
    sizes = {"width": round(2 ** chance.uniform(4, 9)), "layers": chance.randint(1, 8)}
    return {**numbers, **sizes, "act": chance.choice(ACTIVATIONS), "opt": chance.choice(OPTIMISERS)}


def lines(kind: str, seed: int) -> list[dict]:
    chance = random.Random(f"{kind}-{seed}")
    if kind in REALS:
        names = [f"x{at}" for at in range(REALS[kind])]
        params = [{"name": name, "range": {"kind": "real", "lo": 0.0, "hi": 1.0}} for name in names]
        function = of_reals(kind, chance)
        some = [{name: chance.random() for name in names} for _ in range(CANDIDATES)]
        values = [function([own[name] for name in names]) for own in some]
    else:
        params, function = MIXED, of_mixed(kind, chance)
        some = [mixed(chance) for _ in range(CANDIDATES)]
        values = [function(own) for own in some]
    noise = NOISE * pstdev(values)
    space = f"{kind}/1"
    head = [{"type": "space", "id": space, "params": params}]
    head.append({"type": "task", "id": "new", "domain": "tabular", "metric": "score", "goal": "maximize"})
    trial = {"type": "trial", "task": "new", "space": space, "split": "validation", "metric": "score"}
    trials = [{**trial, "architecture": own, "score": value + chance.gauss(0, noise)} for own, value in zip(some, values)]
    return head + trials


if __name__ == "__main__":
    jsonl.write_made(__doc__, KINDS, lines)
