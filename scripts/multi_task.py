#!/usr/bin/env python3
"""What training several tasks on one body is worth on real data, against a network a task.

    python3 scripts/multi_task.py --data DIR --heirloom target/release/heirloom --seeds 3

DIR as for scripts/starter.py. The networks that `heirloom joint` tries on Omniglot's alphabets, and on speakers of the spoken
digits, are trained again one task at a time, for as many epochs. Reported is the gain of the joint training in validation
accuracy, with a 95 % interval over tasks, networks and seeds.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from data_folders import alphabets, by_character, few, interval, recordings, unpack


def groups(data: Path):
    """(what they are, files a class by task, examples a class for fitting, and for the rest, options)."""
    letters = alphabets(data)
    names = ["balinese", "greek", "latin"]
    yield "alphabets", {name: by_character(letters[name]) for name in names}, (16, 4), ["--side", "16"]
    yield "speakers", {name: recordings(data, name) for name in ["george", "jackson", "theo"]}, (8, 2), []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--heirloom", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--only", choices=["alphabets", "speakers"], help="only these tasks")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    data = unpack(args.data, work)

    def heirloom(base: Path, *words):
        environment = {**os.environ, "HEIRLOOM_BASE": f"sled://{base}"}
        command = [str(args.heirloom.resolve()), "--json", *map(str, words), "--epochs", str(args.epochs), "--no-weights"]
        return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)

    print("| tasks | alone | gain of joint training |")
    print("|---|---|---|")
    for name, tasks, sizes, options in groups(data):
        if args.only not in (None, name):
            continue
        alone, gains = [], []
        for seed in range(args.seeds):
            folder = work / f"{name}-{seed}"
            for task, files in tasks.items():
                few(files, *sizes, folder / task, seed)
            base = work / f"{name}-{seed}-base"
            named = [word for task in tasks for word in ("--task", task)]
            tried = heirloom(base, "joint", *named, "--space", "chain-cnn/1", "--from", folder, *options, "--top", args.networks,
                             "--seed", seed)
            for together in tried:
                for trial in together["trials"]:
                    single = heirloom(work / "alone", "train", "--task", f"{trial['task']}-{seed}", "--space", "chain-cnn/1",
                                      "--architecture", json.dumps(trial["architecture"]), "--seed", seed, *options,
                                      "--from", folder / trial["task"])
                    alone.append(single["score"])
                    gains.append(trial["score"] - single["score"])
        print(f"| {name} | {sum(alone) / len(alone):.3f} | {interval(gains)} |", flush=True)


if __name__ == "__main__":
    main()
