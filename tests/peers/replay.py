"""One method on one task, as `heirloom bench` does it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from history import History, Known, Task
from jsonl import Line
from space import Architecture, Pool, Space

CHECKPOINTS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Setup:
    """What a method is given at the start."""

    space: Space
    task: Task
    past: list[Known]
    pool: Pool
    seed: int
    trials: int
    past_task_lines: list[Line]


class Method(Protocol):
    """A peer on one task."""

    def propose(self) -> Architecture | int:
        """An architecture in the form of the JSON Lines, or a place in the pool."""

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        """What the member of the pool at `at` scores (higher is better), and whether that is what was proposed."""


class AtRandom:
    """Without replacement out of the pool: the control."""

    def __init__(self, setup: Setup) -> None:
        self.pool = setup.pool

    def propose(self) -> int:
        return self.pool.at_random()

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        pass


def setup(history: History, known: dict[str, Known], task: str, seed: int, trials: int) -> Setup:
    new = history.tasks[task]
    past = [one for name, one in known.items() if name != task]
    lines = [history.tasks[one.task].line for one in past]
    # A seed of its own for each replay: with one seed for all tasks, methods would start with the same proposals on all.
    own_seed = 1000 * seed + list(history.tasks).index(task)
    # Some methods begin with the first past task: no task should be the first of all replays.
    np.random.default_rng([own_seed, 11]).shuffle(past)
    pool = Pool(history.space, new.architectures, own_seed)
    return Setup(history.space, new, past, pool, own_seed, min(trials, len(pool)), lines)


def replay(method: Method, given: Setup) -> list[dict[str, Any]]:
    """The state of a method at each checkpoint: regret `(best - best found) / (best - median)` over all that the task has
    measured, the share of architectures that the best found is at least as good as, mean seconds of the proposals since the
    last checkpoint (some peers think only at every eighth)."""
    scores = np.array(given.task.scores)
    ranked = np.sort(scores)
    best, median = ranked[-1], ranked[len(ranked) // 2]
    found = -np.inf
    curve, asks = [], []
    for trial in range(1, given.trials + 1):
        start = time.perf_counter()
        proposal = method.propose()
        asks.append(time.perf_counter() - start)
        at, as_proposed = (proposal, True) if isinstance(proposal, int) else given.pool.place(proposal)
        if given.pool.tried[at]:
            raise RuntimeError(f"trial {trial}: {given.pool.architectures[at]} was proposed twice")
        given.pool.tried[at] = True
        method.observe(at, float(scores[at]), as_proposed)
        found = max(found, float(scores[at]))
        if trial in CHECKPOINTS:
            regret = (best - found) / (best - median) if best > median else 0.0
            percentile = float(np.searchsorted(ranked, found, side="right") / len(ranked))
            curve.append({"trials": trial, "regret": float(regret), "percentile": percentile, "ask_s": sum(asks) / len(asks)})
            asks = []
    return curve
