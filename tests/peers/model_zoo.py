#!/usr/bin/env python3
"""How good recommendations are over made-up tables of pretrained models whose past tasks agree, fall into groups, or contradict each other.

    .venvs/common/bin/python model_zoo.py --heirloom ../../target/release/heirloom --kind opposite --seeds 20

Models have a size, a family, a pretraining set and hidden qualities; tasks weigh them. The new task asks the REST server for one model at
a time, measures it and imports the score. Beside it, told the same past scores with those that are missing in the middle of their task:
the models of best mean rank, a greedy portfolio of the past tasks, and random order. Reported is the regret
`(best - best found) / (best - median)`, at most 4, the mean over new tasks with half of its 95 % interval, and the difference to Heirloom.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pretrained import space, task, trial
from results import half_width
from server import Server

SHOWN = [1, 2, 3, 4, 8, 16]
FAMILIES, SETS, FACTORS = 6, 3, 4
SPACE, SOURCE = "zoo/1", "made up"


@dataclass(frozen=True)
class Kind:
    """Past tasks: how many, of how many groups, whether every other group wants the opposite, and of how many scores are reversed."""

    past: int
    groups: int = 1
    opposite: bool = False
    reversed: int = 0


KINDS = {
    "alike": Kind(past=8),
    "groups": Kind(past=10, groups=3),
    "opposite": Kind(past=10, groups=2, opposite=True),
    "few-opposite": Kind(past=4, groups=2, opposite=True),
    "reversed": Kind(past=9, reversed=3),
    "few-reversed": Kind(past=5, reversed=2),
}


@dataclass(frozen=True)
class World:
    """A table: what is known of past tasks, NaN where nothing is, and the scores of the new one."""

    space: dict
    models: list
    known: np.ndarray  # (tasks, models)
    new: np.ndarray  # (models,)

    @staticmethod
    def made(kind: Kind, models: int, share: float, seed: int) -> World:
        chance = np.random.default_rng(seed)
        family, trained_on = chance.integers(0, FAMILIES, models), chance.integers(0, SETS, models)
        size = chance.normal(size=models)
        hidden = [chance.normal(size=FAMILIES)[family] + 0.4 * chance.normal(size=models) for _ in range(FACTORS - 1)]
        qualities = np.column_stack([np.tanh(0.8 * size) + 0.25 * trained_on, *hidden])
        alone = chance.normal(size=models)
        groups = [np.append(abs(chance.normal(0.8, 0.3)), chance.normal(size=FACTORS - 1)) for _ in range(kind.groups)]
        if kind.opposite:
            groups = [groups[0] * (1 if at % 2 == 0 else [1, *[-0.9] * (FACTORS - 1)]) for at in range(kind.groups)]

        def quality_of(group: int) -> np.ndarray:
            own = groups[group] + 0.25 * chance.normal(size=FACTORS)
            quality = qualities @ own + 0.3 * alone + 0.35 * chance.normal(size=models)
            return (quality - quality.mean()) / quality.std()

        def scores(quality: np.ndarray) -> np.ndarray:
            return chance.uniform(0.4, 0.8) + chance.uniform(0.02, 0.06) * (quality + 0.1 * chance.normal(size=models))

        past = [quality_of(at % kind.groups) * (-1 if at < kind.reversed else 1) for at in range(kind.past)]
        known = np.array([np.where(chance.random(models) < share, scores(one), np.nan) for one in past])
        columns = {f"family_{at}": family == at for at in range(FAMILIES)} | {f"set_{at}": trained_on == at for at in range(SETS)}
        numbers = {"log_size": size} | columns
        descriptors = {name: [round(float(value), 4) for value in values] for name, values in numbers.items()}
        names = [f"model-{at}" for at in range(models)]
        return World(space(SPACE, names, descriptors), names, known, scores(quality_of(int(chance.integers(kind.groups)))))

    def ranks(self) -> np.ndarray:
        """Of the past tasks, from 0 to 1 for the best, (tasks, models); in the middle where nothing is known."""
        ranks = np.full(self.known.shape, 0.5)
        for to, scores in zip(ranks, self.known):
            at = np.flatnonzero(~np.isnan(scores))
            to[at[np.argsort(scores[at])]] = (np.arange(len(at)) + 0.5) / len(at)
        return ranks


def by_mean_rank(world: World, _seed: int) -> Iterator[int]:
    yield from np.argsort(-world.ranks().mean(axis=0), kind="stable")


def by_portfolio(world: World, _seed: int) -> Iterator[int]:
    ranks = world.ranks()
    best, left = np.zeros(len(ranks)), list(range(len(world.models)))
    while left:
        gain = [np.maximum(ranks[:, at], best).mean() + 1e-6 * ranks[:, at].mean() for at in left]
        at = left.pop(int(np.argmax(gain)))
        best = np.maximum(best, ranks[:, at])
        yield at


def at_random(world: World, seed: int) -> Iterator[int]:
    yield from np.random.default_rng(seed).permutation(len(world.models))


def by_heirloom(binary: str, port: int) -> Callable[[World, int], Iterator[int]]:
    def proposals(world: World, _seed: int) -> Iterator[int]:
        with Server(binary, port) as server:
            names = [f"past-{at}" for at in range(len(world.known))]
            lines = [world.space, *(task(name, SOURCE) for name in [*names, "new"])]
            for name, scores in zip(names, world.known):
                lines += [trial(name, SPACE, model, float(score), SOURCE) for model, score in zip(world.models, scores) if not np.isnan(score)]
            server.tell(lines)
            while True:
                answer = server.call("POST", "/v1/recommendations", {"task": "new", "space": SPACE, "k": 1})
                model = answer["ranked"][0]["architecture"]["model"]
                at = world.models.index(model)
                server.tell([trial("new", SPACE, model, float(world.new[at]), SOURCE)])
                yield at

    return proposals


def regrets(world: World, proposals: Iterator[int], trials: int) -> list:
    """After each trial."""
    best, median = world.new.max(), np.median(world.new)
    found = np.maximum.accumulate([world.new[at] for at, _ in zip(proposals, range(trials))])
    return list(np.minimum((best - found) / (best - median), 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", required=True, help="the program")
    parser.add_argument("--kind", choices=KINDS, action="append", help="may be given several times; unless given, all")
    parser.add_argument("--models", type=int, default=120)
    parser.add_argument("--known", type=float, default=0.7, help="share of the models that a past task has tried")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=7598)
    args = parser.parse_args()
    methods = {"Heirloom": by_heirloom(args.heirloom, args.port), "portfolio": by_portfolio, "mean rank": by_mean_rank, "random": at_random}
    print("| past tasks | method | " + " | ".join(f"k={k}" for k in SHOWN) + " |")
    print("|---" * (len(SHOWN) + 2) + "|")
    for kind in args.kind or KINDS:
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        worlds = [(World.made(KINDS[kind], args.models, args.known, seed), seed) for seed in seeds]
        ours = []
        for name, method in methods.items():
            curves = [regrets(world, method(world, seed), max(SHOWN)) for world, seed in worlds]
            ours = ours or curves
            cells = []
            for k in SHOWN:
                own = [curve[k - 1] for curve in curves]
                gaps = [curve[k - 1] - first[k - 1] for curve, first in zip(curves, ours)]
                gap = "" if curves is ours else f" ({statistics.mean(gaps):+.3f}±{half_width(gaps):.3f})"
                cells.append(f"{statistics.mean(own):.3f}{gap}")
            print(f"| {kind} | {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
