#!/usr/bin/env python3
"""Trials a minute of `heirloom study --train --jobs N`, against one after another.

    python3 scripts/side_by_side.py --heirloom target/release/heirloom --wheels DIR --seeds 3 --jobs 1 --jobs 2

DIR has the wheel of scikit-learn (scripts/wheels.sh brings it). Every seed draws other networks at random, the same for every
number of jobs, and trains them on the same data for the same epochs; the numbers of jobs take turns in going first. The time is that of
the whole command, start-up included. Reported are trials a minute, median and range over the seeds, and how much quicker
they come than with the first number of jobs given.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

# Task, space, trials and epochs: many networks that take a moment each, and networks that differ a hundredfold in size.
LOADS = {
    "tables": ("breast_cancer", "mlp/1", 96, 30),
    "digits": ("digits", "chain-cnn/1", 16, 6),
}


def seconds(args, load: str, seed: int, jobs: int) -> float:
    """How long a study takes."""
    task, space, trials, epochs = LOADS[load]
    trials = args.trials or trials
    with tempfile.TemporaryDirectory() as folder:
        command = [args.heirloom, "--json", "study", "--base", f"sled://{folder}/base", "--task", task, "--space", space]
        command += ["--train", "--device", args.device, "--top", trials, "--epochs", epochs, "--strategy", "random", "--no-weights"]
        command += ["--seed", seed, "--jobs", jobs]
        started = time.monotonic()
        done = subprocess.run(
            list(map(str, command)), env={**os.environ, "HEIRLOOM_DATA": str(args.wheels)}, check=True, stdout=subprocess.PIPE
        )
        taken = time.monotonic() - started
    tried = json.loads(done.stdout)["report"]["trials"]
    assert len(tried) == trials and all("score" in trial for trial in tried), tried
    return taken


def spread(values: list, digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", type=Path, required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, action="append", help="a number of jobs; several times. Unless given, 1 and 2")
    parser.add_argument("--trials", type=int, help="how many; unless given, what a small machine does in a minute")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--load", choices=list(LOADS), action="append", help="only this one; several times")
    args = parser.parse_args()
    args.heirloom = args.heirloom.resolve()
    numbers = args.jobs or [1, 2]
    print("| task | space | trials × epochs | jobs | trials a minute | against the first |")
    print("|---|---|---|---|---|---|")
    for load in args.load or LOADS:
        task, space, trials, epochs = LOADS[load]
        trials = args.trials or trials
        taken = {jobs: [] for jobs in numbers}
        for seed in range(1, args.seeds + 1):
            for jobs in numbers if seed % 2 else reversed(numbers):
                taken[jobs].append(seconds(args, load, seed, jobs))
        for jobs in numbers:
            a_minute = [60 * trials / own for own in taken[jobs]]
            quicker = [first / own for first, own in zip(taken[numbers[0]], taken[jobs])]
            cells = [task, space, f"{trials} × {epochs}", jobs, spread(a_minute, 0), spread(quicker, 2)]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
