"""Made-up tasks over four real numbers, two integers and a choice: bowls, or bowls with ripples, whose centres, widths and heights differ
from task to task. Whatever is proposed can be measured."""

from __future__ import annotations

import math
import random

NUMBERS = 6
CHOICES = "abc"
SPACE = {
    "type": "space",
    "id": "made-up/1",
    "params": [
        {"name": "lr", "range": {"kind": "real", "lo": 1e-5, "hi": 1e-1, "log": True}},
        {"name": "weight_decay", "range": {"kind": "real", "lo": 1e-6, "hi": 1e-2, "log": True}},
        {"name": "dropout", "range": {"kind": "real", "lo": 0.0, "hi": 0.6}},
        {"name": "momentum", "range": {"kind": "real", "lo": 0.0, "hi": 1.0}},
        {"name": "width", "range": {"kind": "int", "lo": 16, "hi": 512, "log": True}},
        {"name": "layers", "range": {"kind": "int", "lo": 1, "hi": 8}},
        {"name": "activation", "range": {"kind": "choice", "options": list(CHOICES)}},
    ],
}


def architecture(place: list) -> dict:
    """Of a place in the unit cube, the choice last."""
    lr, decay, dropout, momentum, width, layers, activation = place
    numbers = {"lr": 10 ** (-5 + 4 * lr), "weight_decay": 10 ** (-6 + 4 * decay), "dropout": 0.6 * dropout, "momentum": momentum}
    return {**numbers, "width": round(2 ** (4 + 5 * width)), "layers": round(1 + 7 * layers), "activation": activation}


def place(own: dict) -> list:
    numbers = [(math.log10(own["lr"]) + 5) / 4, (math.log10(own["weight_decay"]) + 6) / 4, own["dropout"] / 0.6, own["momentum"]]
    return [*numbers, (math.log2(own["width"]) - 4) / 5, (own["layers"] - 1) / 7, own["activation"]]


def drawn(chance: random.Random) -> list:
    """A place that an architecture has: integers are rounded."""
    return place(architecture([chance.random() for _ in range(NUMBERS)] + [chance.choice(CHOICES)]))


def usual(chance: random.Random) -> dict:
    """What tasks are made around."""
    centre = [chance.uniform(0.25, 0.75) for _ in range(NUMBERS)]
    return {"centre": centre, "steep": [chance.choice([0.3, 1, 3]) for _ in centre], "cost": {c: chance.uniform(0, 0.3) for c in CHOICES}}


def task(chance: random.Random, around: dict, kind: str):
    """A function of a place: the score."""
    centre = [min(0.95, max(0.05, at + chance.gauss(0, 0.12))) for at in around["centre"]]
    steep = [own * math.exp(chance.gauss(0, 0.4)) for own in around["steep"]]
    cost = {choice: own + chance.gauss(0, 0.05) for choice, own in around["cost"].items()}
    top, depth = chance.uniform(0.5, 0.9), chance.uniform(0.2, 0.5)
    phases = [chance.uniform(0, 6) for _ in centre]

    def score(at: list) -> float:
        depth_here = sum(own * (x - c) ** 2 for own, x, c in zip(steep, at, centre))
        if kind == "ripples":
            depth_here += 0.02 * sum(1 + math.sin(14 * x + phase) for x, phase in zip(at, phases))
        return top - depth * (1 - math.exp(-depth_here)) - depth * cost[at[-1]]

    return score


def best_of(score, chance: random.Random) -> float:
    """The best score, by many climbs."""
    best = -math.inf
    for _ in range(30):
        here, step = drawn(chance), 0.2
        for _ in range(1500):
            near = [min(1, max(0, x + chance.gauss(0, step))) for x in here[:NUMBERS]]
            near = place(architecture([*near, chance.choice(CHOICES) if chance.random() < 0.1 else here[-1]]))
            if score(near) > score(here):
                here = near
            else:
                step = max(0.01, step * 0.998)
        best = max(best, score(here))
    return best
