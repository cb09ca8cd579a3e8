#!/usr/bin/env python3
"""What weights of past tasks are worth on real data: within a domain, and from images to sounds.

    python3 scripts/transfer.py --data DIR --heirloom target/release/heirloom --seeds 5

DIR as for scripts/starter.py. For every pair of a source and a target, every seed draws the target's few examples anew; the
same network is trained on them from nothing and from the source's weights by each rule, for the same epochs. Reported is the
difference in accuracy on the test part, with a 95 % interval over seeds, and how often no weights were taken
over because fresh ones suited as well (the guard).
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from data_folders import alphabets, by_character, few, interval, link, photographs, recordings, unpack


def three_blocks(kind: str, width: int) -> dict:
    """Three blocks of a kind, of which the first has this width."""
    blocks = {1: ("max", width), 2: ("max", 32), 3: ("none", 64)}
    architecture = {"activation": "relu", "blocks": 3, "head": 0, "dropout": 0.0, "lr": 0.003, "weight_decay": 1e-4}
    for n, (pool, width) in blocks.items():
        architecture |= {f"kind{n}": kind, f"kernel{n}": 3, f"pool{n}": pool, f"width{n}": width}
    return architecture


# Two networks of three blocks: plain, and residual and wider.
NETWORKS = {"plain": three_blocks("conv", 16), "residual": three_blocks("residual", 32)}
# What becomes of the three blocks.
RULES = {
    "tune": ("tune", "tune", "tune"),
    "freeze two": ("freeze", "freeze", "tune"),
    "freeze all": ("freeze", "freeze", "freeze"),
    "tune first": ("tune", "fresh", "fresh"),
}


class Heirloom:
    """A base of its own that holds the trials of one source."""

    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder = binary.resolve(), folder
        self.environment = {**os.environ, "HEIRLOOM_BASE": f"sled://{folder.resolve()}/base"}

    def train(self, task, network, fates, options, epochs, seed, split):
        space = "chain-cnn-inherit/1" if fates else "chain-cnn/1"
        fates = {f"inherit{at + 1}": fate for at, fate in enumerate(fates or [])}
        words = ["--json", "train", "--task", task, "--space", space, "--architecture", json.dumps({**network, **fates})]
        words += ["--epochs", epochs, "--seed", seed, "--split", split, *options, *(["--inherit"] if fates else [])]
        done = subprocess.run(
            [str(self.binary), *map(str, words)], env=self.environment, check=True, stdout=subprocess.PIPE
        )
        return json.loads(done.stdout)


def pairs(data: Path):
    """(what it shows, source's files a class, its options, target's files a class, its options, examples a class)."""
    pictures, side = photographs(data), ["--side", "16"]
    target = ["cat", "dog", "horse", "truck"]
    rest = {name: files[:400] for name, files in pictures.items() if name not in target}
    target = {name: pictures[name] for name in target}
    letters = {name: by_character(folder) for name, folder in alphabets(data).items()}
    sounds = {speaker: recordings(data, speaker) for speaker in ["george", "jackson", "theo"]}
    others = {digit: [*sounds["george"][digit], *sounds["jackson"][digit]] for digit in sounds["theo"]}
    yield "photographs to photographs", rest, side, target, side, (20, 200)
    yield "alphabet to alphabet", letters["korean"], side, letters["greek"], side, (8, 10)
    yield "other speakers to a speaker", others, [], sounds["theo"], [], (4, 30)
    yield "photographs to a speaker", rest, ["--side", "32"], sounds["theo"], [], (4, 30)
    yield "alphabet to a speaker", letters["korean"], ["--side", "32"], sounds["theo"], [], (4, 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--heirloom", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15, help="of the target; the source has as many")
    parser.add_argument("--only", default="", help="pairs whose name has this")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    data = unpack(args.data, work)
    print("| from, to | network | from nothing | " + " | ".join(RULES) + " | nothing taken over |")
    print("|---|---|---|" + "---|" * (len(RULES) + 1))
    for number, (name, source, source_options, target, target_options, sizes) in enumerate(pairs(data)):
        if args.only not in name:
            continue
        origin = link(work / f"source-{number}", source)
        for network, architecture in NETWORKS.items():
            heirloom = Heirloom(args.heirloom, work / f"{number}-{network}")
            fresh, gains, refused, tried = [], {rule: [] for rule in RULES}, 0, 0
            heirloom.train("source", architecture, None, ["--from", origin, *source_options], args.epochs, 0, "validation")
            for seed in range(args.seeds):
                examples = work / f"target-{number}-{seed}"
                if not examples.exists():
                    few(target, *sizes, examples, seed)
                options = ["--from", examples, *target_options]
                on = (options, args.epochs, seed, "test")
                fresh.append(heirloom.train(f"t{seed}", architecture, None, [*on[0], "--no-weights"], *on[1:])["score"])
                for rule, fates in RULES.items():
                    trial = heirloom.train(f"t{seed}", architecture, fates, *on)
                    gains[rule].append(trial["score"] - fresh[-1])
                    tried += 1
                    refused += "from" not in trial["inherited"]
            mean = sum(fresh) / len(fresh)
            cells = " | ".join(interval(gains[rule]) for rule in RULES)
            print(f"| {name} | {network} | {mean:.3f} | {cells} | {refused} of {tried} |", flush=True)


if __name__ == "__main__":
    main()
