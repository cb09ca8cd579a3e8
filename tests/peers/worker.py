"""Replays the methods of one family; `run.py` starts it with the interpreter of that family's environment."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

import replay
from families import FAMILIES
from history import History
from results import Results


def main() -> int:
    """Returns 1 if a replay failed; the others are done all the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--family", required=True, choices=sorted(FAMILIES))
    parser.add_argument("--method", action="append", required=True)
    args = parser.parse_args()
    results = Results.open(args.results)
    asked = results.setup
    with silent():
        module = importlib.import_module(FAMILIES[args.family].module)
    history = History(Path(asked["file"]), asked["space"])
    tasks = asked["tasks"] or list(history.tasks)
    failed = False
    for seed in range(asked["seeds"]):
        known = history.sample(asked["history"], seed)
        for method in args.method:
            for task in tasks:
                if not results.has(method, seed, task):
                    failed |= not one(results, module, history, known, method, seed, task)
    return int(failed)


@contextlib.contextmanager
def silent():
    """What the peers print is not for the table; errors still arrive."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def one(results: Results, module, history: History, known, method: str, seed: int, task: str) -> bool:
    """One replay, written down as soon as it is done."""
    given = replay.setup(history, known, task, seed, results.setup["trials"])
    start = time.perf_counter()
    try:
        with silent():
            peer = module.METHODS[method](given)
            start_s = time.perf_counter() - start
            curve = replay.replay(peer, given)
    except Exception:
        print(f"{method}, seed {seed}, {task} failed:", file=sys.stderr)
        traceback.print_exc()
        return False
    finally:
        getattr(module, "close", lambda: None)()
    wall_s = time.perf_counter() - start
    results.add(method, seed, task, curve, start_s, wall_s)
    regrets = " ".join(f"{point['regret']:.2f}" for point in curve)
    print(f"{method:24} seed {seed} {task:20} {regrets}  {wall_s:.1f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
