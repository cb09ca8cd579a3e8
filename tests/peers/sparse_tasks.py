"""Makes histories of many tasks that share their architectures, so that `heirloom bench --history N` can leave a task N trials of each other
one and still measure whatever is proposed.

    python sparse_tasks.py waves 40 --shared 0.7 --seed 1 out/waves.jsonl
    python sparse_tasks.py steps 100 --shared 0.5 --seed 2 out/steps.jsonl

Scores are what is common to all tasks and what is a task's own, of the same kind, `--shared` being the share of the variance that is
common: waves over four real numbers beside main effects of two choices, or steps in eight real numbers that some options of six choices switch on.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable
from pathlib import Path

NUMBERS = {"waves": 4, "steps": 8}
CHOICES = {"waves": 2, "steps": 6}
OPTIONS = "abcd"
ARCHITECTURES = 250
NOISE = 0.1
Place = tuple[list[float], list[int]]


def waves(chance: random.Random, numbers: int, choices: int) -> Callable[[Place], float]:
    """A smooth function: 24 cosines of random directions."""
    terms = [([chance.gauss(0, 2.5) for _ in range(numbers)], chance.uniform(0, 2 * math.pi), chance.gauss(0, 12**-0.5)) for _ in range(24)]
    effects = [[chance.gauss(0, 0.5) for _ in OPTIONS] for _ in range(choices)]

    def score(place: Place) -> float:
        wave = sum(height * math.cos(sum(a * x for a, x in zip(way, place[0])) + phase) for way, phase, height in terms)
        return wave + sum(effect[at] for effect, at in zip(effects, place[1]))

    return score


def steps(chance: random.Random, numbers: int, choices: int) -> Callable[[Place], float]:
    """Ten steps, half of which one option switches on."""
    terms = [
        (chance.randrange(numbers), chance.random(), chance.randrange(choices), chance.randrange(4), chance.gauss(0, 0.8), chance.random() < 0.5)
        for _ in range(10)
    ]
    effects = [[chance.gauss(0, 0.4) for _ in OPTIONS] for _ in range(choices)]

    def score(place: Place) -> float:
        on = (height for x, edge, c, option, height, bound in terms if place[0][x] > edge and not (bound and place[1][c] != option))
        return sum(on) + sum(effect[at] for effect, at in zip(effects, place[1]))

    return score


def architecture(place: Place) -> dict[str, float | str]:
    numbers = {f"x{at}": value for at, value in enumerate(place[0])}
    return {**numbers, **{f"c{at}": OPTIONS[option] for at, option in enumerate(place[1])}}


def space(kind: str) -> dict:
    numbers = [{"name": f"x{at}", "range": {"kind": "real", "lo": 0.0, "hi": 1.0}} for at in range(NUMBERS[kind])]
    choices = [{"name": f"c{at}", "range": {"kind": "choice", "options": list(OPTIONS)}} for at in range(CHOICES[kind])]
    return {"type": "space", "id": f"{kind}/1", "params": numbers + choices}


def lines(kind: str, tasks: int, shared: float, seed: int):
    chance = random.Random(seed)
    sizes = NUMBERS[kind], CHOICES[kind]
    make = {"waves": waves, "steps": steps}[kind]
    yield space(kind)
    common = make(chance, *sizes)
    places = [([round(chance.random(), 4) for _ in range(sizes[0])], [chance.randrange(4) for _ in range(sizes[1])]) for _ in range(ARCHITECTURES)]
    for at in range(tasks):
        name, own = f"{kind}-{at:03}", make(chance, *sizes)
        yield {"type": "task", "id": name, "domain": "tabular", "metric": "accuracy", "goal": "maximize"}
        for place in places:
            z = math.sqrt(shared) * common(place) + math.sqrt(1 - shared) * own(place) + chance.gauss(0, NOISE)
            yield {"type": "trial", "task": name, "space": f"{kind}/1", "architecture": architecture(place), "split": "validation",
                   "metric": "accuracy", "score": 1 / (1 + math.exp(-z))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["waves", "steps"])
    parser.add_argument("tasks", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shared", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with args.out.open("w", encoding="utf-8") as out:
        for line in lines(args.kind, args.tasks, args.shared, args.seed):
            out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
