#!/usr/bin/env python3
"""How good recommendations are in a space of real numbers, where whatever is proposed can be measured.

    python3 real_space.py --heirloom ../../target/release/heirloom --kind ripples --seeds 14 --first-seed 20
    .venvs/optuna/bin/python real_space.py --method optuna-gp --kind ripples --seeds 14 --first-seed 20

Of the made-up tasks of `made_up.py` some are past and have random trials. The new one asks the REST server, measures what is proposed and
imports the scores; or a peer is asked, by the Python of its environment. Reported is the regret `(best - best found) / (best - median)`,
of scores without noise, the mean over seeds with half of its 95 % interval, and how near proposals lie to earlier ones (the space as
a unit cube, another choice counted as one).
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from made_up import SPACE, architecture, best_of, drawn, place, task, usual
from results import half_width
from server import Server

SHOWN = [1, 2, 4, 8, 12, 16, 24, 32]
# What peers that want a list of candidates are given; they may propose anything else too.
CANDIDATES = 5_000


@dataclass(frozen=True)
class World:
    """The tasks of a seed, the last one new: what is known of the others, and how good a score is."""

    lines: list  # the space and the tasks
    trials: list  # of the past tasks
    new: str
    score: Callable[[list], float]  # of a place on the new task
    best: float
    median: float

    @staticmethod
    def made(args, seed: int) -> World:
        chance = random.Random(seed)
        around = usual(chance)
        scores = [task(chance, around, args.kind) for _ in range(args.past + 1)]
        lines = [SPACE] + [{"type": "task", "id": f"task{at}", "domain": "tabular", "metric": "accuracy", "goal": "maximize"} for at in range(args.past + 1)]
        trials = []
        for at, score in enumerate(scores[:-1]):
            places = [drawn(chance) for _ in range(args.trials_a_task)]
            trials += [trial(f"task{at}", architecture(one), score(one) + args.noise * chance.gauss(0, 1)) for one in places]
        other = random.Random(seed + 99)
        median = statistics.median(scores[-1](drawn(other)) for _ in range(20_000))
        return World(lines, trials, f"task{args.past}", scores[-1], best_of(scores[-1], other), median)


def trial(of: str, own: dict, score: float) -> dict:
    return {"type": "trial", "task": of, "space": SPACE["id"], "architecture": own, "split": "validation", "metric": "accuracy", "score": score}


def told(own: dict, digits) -> dict:
    """As a client tells it that keeps so many digits of real numbers."""
    if not digits:
        return own
    return {name: float(f"{value:.{digits - 1}e}") if isinstance(value, float) else value for name, value in own.items()}


class OfHeirloom:
    """Asks the server and tells it."""

    def __init__(self, server: Server, world: World, args) -> None:
        self.server, self.world, self.args = server, world, args
        server.tell(world.lines + world.trials)

    def propose(self) -> list:
        body = {"task": self.world.new, "space": SPACE["id"], "k": self.args.at_once}
        return [one["architecture"] for one in self.server.call("POST", "/v1/recommendations", body)["ranked"][: self.args.at_once]]

    def tell(self, measured: list) -> None:
        self.server.tell([trial(self.world.new, told(own, self.args.digits), score) for own, score in measured])


class OfPeer:
    """Asks another library, through the same code as `run.py`; one proposal at a time."""

    def __init__(self, world: World, args, seed: int) -> None:
        import numpy as np

        from families import FAMILIES, family_of
        from history import Known, Task
        from replay import Setup
        from space import Pool, Space

        space, chance = Space(SPACE), random.Random(seed + 7)
        past = []
        for line in world.lines[1:-1]:
            own = [one for one in world.trials if one["task"] == line["id"]]
            scores = np.array([one["score"] for one in own])
            past.append(Known(line["id"], [one["architecture"] for one in own], scores, own))
        self.pool = Pool(space, [architecture(drawn(chance)) for _ in range(CANDIDATES)], seed)
        # How high scores can be is all that a peer may look at.
        new = Task(world.lines[-1], scores=[world.best])
        setup = Setup(space, new, past, self.pool, seed, args.trials, world.lines[1:-1])
        self.peer = importlib.import_module(FAMILIES[family_of(args.method)].module).METHODS[args.method](setup)

    def propose(self) -> list:
        proposed = self.peer.propose()
        return [self.pool.architectures[proposed] if isinstance(proposed, int) else proposed]

    def tell(self, measured: list) -> None:
        for own, score in measured:
            self.peer.observe(self.pool.also(own), score, True)


def search(method, world: World, args, chance: random.Random) -> tuple:
    """The regret after each trial, and how far each proposal is from the nearest before."""
    regrets, seen, gaps, found = [], [], [], -math.inf
    while len(regrets) < args.trials:
        measured = []
        for own in method.propose():
            at = place(own)
            gaps += [min(math.dist(at[:-1], near[:-1]) + (at[-1] != near[-1]) for near in seen)] if seen else []
            seen.append(at)
            found = max(found, world.score(at))
            regrets.append((world.best - found) / (world.best - world.median))
            measured.append((own, world.score(at) + args.noise * chance.gauss(0, 1)))
        method.tell(measured)
    return regrets, gaps


def replay(args, seed: int) -> tuple:
    world, chance = World.made(args, seed), random.Random(seed + 1)
    if args.method != "heirloom":
        return search(OfPeer(world, args, seed), world, args, chance)
    with Server(args.heirloom, args.port) as server:
        return search(OfHeirloom(server, world, args), world, args, chance)


def shown(values: list) -> str:
    """The mean and half of its 95 % interval."""
    return f"{statistics.mean(values):.3f}±{half_width(values):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="heirloom", help="or one of those of run.py")
    parser.add_argument("--heirloom", help="the program")
    parser.add_argument("--kind", choices=["bowls", "ripples"], default="bowls")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--past", type=int, default=6, help="past tasks")
    parser.add_argument("--trials-a-task", type=int, default=60)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--at-once", type=int, default=1, help="proposals an answer")
    parser.add_argument("--digits", type=int, help="tell real numbers rounded to so many digits")
    parser.add_argument("--noise", type=float, default=0.003)
    parser.add_argument("--port", type=int, default=7599)
    args = parser.parse_args()
    if args.method == "heirloom" and not args.heirloom:
        parser.error("--heirloom PROGRAM is missing")
    if args.method != "heirloom" and (args.at_once != 1 or args.digits):
        parser.error("--at-once and --digits are for heirloom: a peer is asked for one proposal at a time and told it as it is")
    replays = [replay(args, seed) for seed in range(args.first_seed, args.first_seed + args.seeds)]
    counts = [k for k in SHOWN if k <= args.trials]
    gaps = [gap for _, gaps in replays for gap in gaps]
    print("| method | kind | at once | " + " | ".join(f"k={k}" for k in counts) + " | nearer than .05 |")
    print("|---" * (len(counts) + 4) + "|")
    means = [shown([regrets[k - 1] for regrets, _ in replays]) for k in counts]
    near = sum(gap < 0.05 for gap in gaps) / len(gaps)
    print(f"| {args.method} | {args.kind} | {args.at_once} | " + " | ".join(means) + f" | {100 * near:.0f} % |")


if __name__ == "__main__":
    main()
