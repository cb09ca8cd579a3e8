"""Makes histories that mislead: six past tasks of 80 trials each and a new one, `new`, of which 500 architectures are measured, so that
whatever is proposed for it can be looked up.

    python misleading.py shifted --seed 1 out/shifted-1.jsonl
    heirloom --base out/shifted-1 import out/shifted-1.jsonl
    heirloom --base out/shifted-1 bench --space made-up/2 --method surrogate --task new --trials 32 --seeds 1

Kinds: `helps`; `reversed`; `half` of them reversed; `noise`; `shifted`, every number's best lies .45 of its range away; `weak`, another metric
of which a third is the new task's; `unrelated`; `none`, no past task at all.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from statistics import median, pstdev

import jsonl

KINDS = ["none", "helps", "reversed", "half", "noise", "shifted", "weak", "unrelated"]
LEVELS = {"width": [16, 32, 64, 128, 256, 512], "batch": [16, 32, 64, 128]}
CHOICES = {"act": ["relu", "gelu", "tanh"], "opt": ["sgd", "adam", "adamw"]}
NUMBERS = ["lr", "wd", "dropout", "depth", "width", "batch"]
SPACE = {
    "type": "space",
    "id": "made-up/2",
    "params": [
        {"name": "lr", "range": {"kind": "real", "lo": 1e-5, "hi": 1e-1, "log": True}},
        {"name": "wd", "range": {"kind": "real", "lo": 1e-6, "hi": 1e-2, "log": True}},
        {"name": "dropout", "range": {"kind": "real", "lo": 0.0, "hi": 0.6}},
        {"name": "depth", "range": {"kind": "int", "lo": 1, "hi": 6}},
        *({"name": name, "range": {"kind": "levels", "values": values}} for name, values in LEVELS.items()),
        *({"name": name, "range": {"kind": "choice", "options": options}} for name, options in CHOICES.items()),
    ],
}
TASKS, TRIALS, CANDIDATES, NOISE = 6, 80, 500, 0.004


@dataclass
class Truth:
    """A valley in each number, the learning rate's with a cliff; what each option costs; waves over all numbers."""

    weights: dict[str, float]
    centres: dict[str, float]
    effects: dict[str, float]
    cliff: float
    waves: list[tuple[list[float], float, float]]
    sign: float = 1.0

    @classmethod
    def drawn(cls, chance: random.Random) -> Truth:
        waves = [([chance.gauss(0, 1.8) for _ in NUMBERS], chance.uniform(0, math.tau), chance.gauss(0, 0.09)) for _ in range(24)]
        options = [option for options in CHOICES.values() for option in options]
        return cls(
            {name: math.exp(chance.gauss(-0.3, 1)) for name in NUMBERS},
            {name: chance.uniform(0.15, 0.85) for name in NUMBERS},
            {option: chance.gauss(0, 0.35) for option in options},
            chance.uniform(0.2, 0.4),
            waves,
        )

    def child(self, far: float, chance: random.Random) -> Truth:
        keep = math.sqrt(1 - far * far)
        return replace(
            self,
            weights={name: weight * math.exp(chance.gauss(0, far / 2)) for name, weight in self.weights.items()},
            centres={name: min(1.0, max(0.0, centre + chance.gauss(0, far / 4))) for name, centre in self.centres.items()},
            effects={option: effect + chance.gauss(0, 0.3 * far) for option, effect in self.effects.items()},
            waves=[(way, phase, keep * height + chance.gauss(0, 0.09 * far)) for way, phase, height in self.waves],
        )

    def shifted(self) -> Truth:
        return replace(self, centres={name: centre + (0.45 if centre < 0.5 else -0.45) for name, centre in self.centres.items()})

    def value(self, place: dict) -> float:
        total = sum(self.effects[place[name]] for name in CHOICES)
        for name in NUMBERS:
            gap = place[name] - self.centres[name]
            if name == "lr":
                total -= 3 * abs(gap) ** 1.7 + 8 * max(0.0, gap - self.cliff)
            else:
                total -= self.weights[name] * abs(gap) ** 1.6
        for way, phase, height in self.waves:
            total += height * math.cos(sum(step * place[name] for step, name in zip(way, NUMBERS)) + phase)
        return self.sign * total


def drawn(chance: random.Random) -> tuple[dict, dict]:
    """An architecture, and its place in the unit cube."""
    lr, wd, dropout = (chance.random() for _ in range(3))
    depth = chance.randint(1, 6)
    at = {name: chance.randrange(len(values)) for name, values in LEVELS.items()}
    options = {name: chance.choice(options) for name, options in CHOICES.items()}
    numbers = {"lr": 10 ** (-5 + 4 * lr), "wd": 10 ** (-6 + 4 * wd), "dropout": 0.6 * dropout, "depth": depth}
    own = {**numbers, **{name: values[at[name]] for name, values in LEVELS.items()}, **options}
    levels = {name: at[name] / (len(values) - 1) for name, values in LEVELS.items()}
    return own, {"lr": lr, "wd": wd, "dropout": dropout, "depth": (depth - 1) / 5, **levels, **options}


def task_lines(name: str, metric: str, value, some: list, chance: random.Random) -> list[dict]:
    """A task and its trials: values become accuracies on a scale of the task's own."""
    values = [value(place) for _, place in some]
    middle, spread = median(values), pstdev(values)
    low, high, steep = chance.uniform(0.1, 0.4), chance.uniform(0.75, 0.97), chance.uniform(0.8, 1.6)
    lines = [{"type": "task", "id": name, "domain": "tabular", "metric": metric, "goal": "maximize"}]
    for (own, _), value_here in zip(some, values):
        score = low + (high - low) / (1 + math.exp(-1 - steep * (value_here - middle) / spread)) + chance.gauss(0, NOISE)
        trial = {"type": "trial", "task": name, "space": SPACE["id"], "architecture": own}
        lines.append({**trial, "split": "validation", "metric": metric, "score": score})
    return lines


def past_value(kind: str, at: int, root: Truth, new: Truth, drift: dict[str, float], chance: random.Random):
    """What a past task scores by; `drift` is what another metric likes."""
    if kind == "noise":
        return lambda _: chance.gauss(0, 1)
    if kind == "unrelated":
        return Truth.drawn(chance).value
    if kind == "shifted":
        return new.child(0.15, chance).shifted().value
    if kind == "weak":
        own = new.child(0.3, chance)
        return lambda place: 0.6 * own.value(place) + sum(drift[name] * place[name] for name in NUMBERS)
    if kind == "reversed" or kind == "half" and at % 2 == 0:
        return replace(new.child(0.2, chance), sign=-1.0).value
    return root.child(0.5, chance).value


def history(kind: str, seed: int) -> list[dict]:
    chance = random.Random(seed)
    root = Truth.drawn(chance)
    new = root.child(0.5, chance)
    candidates = [drawn(chance) for _ in range(CANDIDATES)]
    lines = [SPACE, *task_lines("new", "accuracy", new.value, candidates, chance)]
    drift = {name: chance.gauss(0, 1) for name in NUMBERS}
    for at in range(0 if kind == "none" else TASKS):
        own = random.Random(f"{seed}-{at}")
        value = past_value(kind, at, root, new, drift, own)
        metric = "energy_score" if kind == "weak" else "accuracy"
        lines += task_lines(f"past-{at}", metric, value, [drawn(own) for _ in range(TRIALS)], own)
    return lines


if __name__ == "__main__":
    jsonl.write_made(__doc__, KINDS, history)
