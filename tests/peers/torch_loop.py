#!/usr/bin/env python3
"""How long Heirloom trains a network, beside an ordinary training loop in Python's torch.

    python3 torch_loop.py --wheels DIR --data DIR --heirloom ../../target/release/heirloom --threads 1 --repeats 5
    python3 torch_loop.py --wheels DIR --data DIR --heirloom ../../target/release/heirloom --device cuda --repeats 3

The Python that runs this has torch 2.11 (the release of Heirloom's libtorch), numpy and pillow. `--wheels` has the wheel of
scikit-learn (the digits), `--data` the archive `cifar10-jpeg.tar.gz` (see scripts/starter.py). Both programs read the same PNG files
in the same parts, and train networks of the same sizes for the same epochs with the defaults of `heirloom train`; each takes
turns in a process of its own. Seconds are those of the training with the scoring after each epoch, on either side without
reading data and starting up, and in Python without what the first optimizer of a process imports. With `--threads 1` everything is bound to one core.

On CUDA both have all data on the device, and neither waits for it within an epoch. What a process does once (context, kernels
loaded, algorithms chosen) takes longer there than a small network's training, and a study pays it once: reported are the
seconds that training three times as long takes more, and Python is one process. `images` is made there only: residual networks,
where the device has something to do, in single precision with channels as they come and last, and in bfloat16 with channels
last (`torch.autocast` in Python).
"""

import argparse
import functools
import gzip
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

SCORED_BATCH = 512
CLIPPED_TO, WARM_UP = 1.0, 0.05
TRAINED = {"lr": 0.003, "weight_decay": 1e-4}


def mlp(widths, **more):
    own = {f"width{at}": width for at, width in enumerate(widths, 1)}
    plain = {"activation": "relu", "norm": "batch", "shortcut": "none", "dropout": 0.0}
    return {"layers": len(widths), **plain, **own, **TRAINED, **more}


def chain(blocks, **more):
    own = {}
    for at, (kind, width, kernel, pool) in enumerate(blocks, 1):
        own |= {f"kind{at}": kind, f"width{at}": width, f"kernel{at}": kernel, f"pool{at}": pool}
    plain = {"activation": "relu", "head": 0, "dropout": 0.0}
    return {"blocks": len(blocks), **plain, **own, **TRAINED, **more}


def resnet(width):
    return {"depth": 18, "width": width, "stem": "small", **TRAINED}


NETWORKS = {
    "mlp/1": {
        "small": mlp([32], norm="none"),
        "middle": mlp([128, 128], dropout=0.1),
        "large": mlp([512] * 4, shortcut="residual", activation="gelu", dropout=0.1),
    },
    "chain-cnn/1": {
        "small": chain([("conv", 8, 3, "max")]),
        "middle": chain([("conv", 16, 3, "max"), ("separable", 32, 3, "avg")], head=32),
        "large": chain([("conv", 32, 3, "max"), ("residual", 64, 3, "max"), ("separable", 128, 3, "none")], activation="gelu"),
    },
    "resnet/1": {
        "18": resnet(1.0),
        "18, channels last": resnet(1.0),
        "18, bfloat16": resnet(1.0),
        "18 of quarter width": resnet(0.25),
    },
}
# Data set: spaces, examples a step, epochs unless given, on the CPU and on CUDA.
SETS = {
    "digits": (["mlp/1", "chain-cnn/1"], 64, (10, 30)),
    "photographs": (["mlp/1", "chain-cnn/1"], 64, (10, 20)),
    "images": (["resnet/1"], 256, (1, 3)),
}


# The data.


def digits(wheels: Path, folder: Path) -> None:
    """The digits of scikit-learn, 1,078 to train on and 359 to score on."""
    import numpy
    from PIL import Image

    wheel = next(wheels.glob("scikit_learn-*.whl"))
    with zipfile.ZipFile(wheel) as packed:
        text = gzip.decompress(packed.read("sklearn/datasets/data/digits.csv.gz")).decode()
    rows = [[float(value) for value in line.split(",")] for line in text.split()]
    random.Random(0).shuffle(rows)
    for at, row in enumerate(rows):
        pixels = (numpy.array(row[:64]).reshape(8, 8) * 15).astype("uint8")
        save(Image.fromarray(pixels), folder, part(at, 1078, 359), str(int(row[64])), at)


def photographs(data: Path, folder: Path) -> None:
    """Of each class of CIFAR-10 the first 128 images of the archive to train on and 32 to score on."""
    first_images(data, folder, 128, 32)


def images(data: Path, folder: Path) -> None:
    """1,280 of each class to train on and 160 to score on."""
    first_images(data, folder, 1280, 160)


def first_images(data: Path, folder: Path, train: int, validation: int) -> None:
    from PIL import Image

    seen = {}
    with tarfile.open(data / "cifar10-jpeg.tar.gz") as tar:
        for member in tar:
            path = Path(member.name)
            name = path.parent.name
            if not member.isfile() or path.parent.parent.name != "train" or seen.get(name, 0) > train + validation:
                continue
            at = seen[name] = seen.get(name, 0) + 1
            save(Image.open(tar.extractfile(member)).convert("RGB"), folder, part(at - 1, train, validation), name, at)


def part(at: int, train: int, validation: int) -> str:
    return "train" if at < train else "validation" if at < train + validation else "test"


def save(image, folder: Path, part: str, name: str, at: int) -> None:
    (folder / part / name).mkdir(parents=True, exist_ok=True)
    image.save(folder / part / name / f"{at:05}.png")


def read(folder: Path, part: str):
    """The examples [n, channels, height, width] and their classes."""
    import numpy
    import torch
    from PIL import Image

    classes = sorted(of.name for of in (folder / "train").iterdir())
    files = [(file, at) for at, name in enumerate(classes) for file in sorted((folder / part / name).glob("*.png"))]
    images = [numpy.asarray(Image.open(file), dtype="float32") / 255 for file, _ in files]
    x = torch.tensor(numpy.stack([image.reshape(*image.shape[:2], -1) for image in images]))
    # A copy, for one channel is contiguous either way, and torch would take it for channels last.
    return x.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format), torch.tensor([at for _, at in files]), len(classes)


# The loop.


def network(space: str, own: dict, shape, n_classes: int):
    from torch import nn

    activation = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[own.get("activation", "relu")]

    class Shortcut(nn.Module):
        """What is added to its input, which a 1x1 convolution may bring to another width."""

        def __init__(self, body, short=None):
            super().__init__()
            self.body, self.short = body, short or nn.Identity()

        def forward(self, x):
            return self.short(x) + self.body(x)

    def conv(channels, width, kernel, groups=1):
        return nn.Conv2d(channels, width, kernel, padding=kernel // 2, groups=groups, bias=False)

    def dropout():
        return [nn.Dropout(own["dropout"])] if own["dropout"] > 0 else []

    def dense_layers():
        layers, width = [nn.Flatten()], math.prod(shape)
        for at in range(1, own["layers"] + 1):
            before, width = width, own[f"width{at}"]
            norm = [nn.BatchNorm1d(width)] if own["norm"] == "batch" else []
            body = nn.Sequential(nn.Linear(before, width), *norm, activation())
            layers += [Shortcut(body) if own["shortcut"] == "residual" and before == width else body, *dropout()]
        return [*layers, nn.Linear(width, n_classes)]

    def block(kind, channels, width, kernel):
        if kind == "residual":
            body = [conv(channels, width, kernel), nn.BatchNorm2d(width), nn.ReLU(), conv(width, width, kernel), nn.BatchNorm2d(width)]
            return Shortcut(nn.Sequential(*body), None if channels == width else conv(channels, width, 1))
        if kind == "separable":
            return nn.Sequential(conv(channels, channels, kernel, channels), conv(channels, width, 1), nn.BatchNorm2d(width))
        return nn.Sequential(conv(channels, width, kernel), nn.BatchNorm2d(width))

    def convolutions():
        pools = {"max": [nn.MaxPool2d(3, 2, 1)], "avg": [nn.AvgPool2d(3, 2, 1, count_include_pad=False)], "none": []}
        layers, channels = [], shape[0]
        for at in range(1, own["blocks"] + 1):
            width = own[f"width{at}"]
            layers += [block(own[f"kind{at}"], channels, width, own[f"kernel{at}"]), activation(), *pools[own[f"pool{at}"]]]
            channels = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if own["head"]:
            layers += [nn.Linear(channels, own["head"]), activation()]
            channels = own["head"]
        return [*layers, *dropout(), nn.Linear(channels, n_classes)]

    def strided(channels, width, kernel, stride):
        return [nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(width)]

    def residual_stages():
        channels = int(64 * own["width"])
        layers = [*strided(shape[0], channels, 3, 1), nn.ReLU()]
        for stage in range(4):
            width = int(64 * own["width"]) << stage
            for stride in (1 if stage == 0 else 2, 1):
                body = [*strided(channels, width, 3, stride), nn.ReLU(), *strided(width, width, 3, 1)]
                is_same = stride == 1 and channels == width
                short = None if is_same else nn.Sequential(*strided(channels, width, 1, stride))
                layers += [Shortcut(nn.Sequential(*body), short), nn.ReLU()]
                channels = width
        return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes)]

    layers = {"mlp/1": dense_layers, "chain-cnn/1": convolutions, "resnet/1": residual_stages}
    return nn.Sequential(*layers[space]())


def share_of_rate(progress: float) -> float:
    """Of the largest learning rate, when so much of all steps is done."""
    if progress < WARM_UP:
        return (progress + 1e-3) / (WARM_UP + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def accuracy(net, x, y, in_bfloat16) -> float:
    import torch

    net.eval()
    with torch.no_grad(), torch.autocast(x.device.type, torch.bfloat16, in_bfloat16):
        batches = zip(x.split(SCORED_BATCH), y.split(SCORED_BATCH))
        return sum((net(x).argmax(1) == y).sum() for x, y in batches).item() / len(y)


def loop(net, fit, held, epochs: int, batch: int, own: dict, fused: bool, in_bfloat16: bool) -> tuple:
    """The ordinary training loop; the last loss and score."""
    import torch
    from torch import nn

    (x, y), (held_x, held_y) = fit, held
    device = x.device
    optimizer = torch.optim.AdamW(net.parameters(), lr=own["lr"], weight_decay=own["weight_decay"], fused=fused or None)
    steps = epochs * math.ceil(len(y) / batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_rate(step / steps))
    cross_entropy = nn.CrossEntropyLoss()
    for _ in range(epochs):
        net.train()
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(y)).to(device).split(batch):
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, in_bfloat16):
                loss = cross_entropy(net(x[rows]), y[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), CLIPPED_TO)
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(rows)
        loss, score = total.item() / len(y), accuracy(net, held_x, held_y, in_bfloat16)
    return loss, score


@functools.cache
def standardised(folder: str, device: str) -> tuple:
    """Both parts on the device, and how many classes there are."""
    (x, y, n_classes), (held_x, held_y, _) = read(Path(folder), "train"), read(Path(folder), "validation")
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True, correction=0)
    x, held_x = (x - mean) / std, (held_x - mean) / std
    return (x.to(device), y.to(device)), (held_x.to(device), held_y.to(device)), n_classes


def timed(space: str, own: dict, folder: str, epochs: int, seed: int, threads: int, fused: bool, **more) -> dict:
    """Trains, and says how long it took and how well it went."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    fit, held, n_classes = standardised(folder, more["device"])
    shape = fit[0].shape[1:]
    settings = more["batch"], own, fused, more["in_bfloat16"]
    # The first optimizer of a process imports half of torch, which takes seconds: one goes before.
    few = fit[0][:2], fit[1][:2]
    loop(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), n_classes)).to(more["device"]), few, few, 1, *settings)
    torch.manual_seed(seed)
    net = network(space, own, shape, n_classes).to(more["device"])
    if more["channels_last"]:
        net = net.to(memory_format=torch.channels_last)
    started = time.perf_counter()
    loss, score = loop(net, fit, held, epochs, *settings)
    seconds = time.perf_counter() - started
    params = sum(weight.numel() for weight in net.parameters())
    return {"seconds": seconds, "score": score, "loss": loss, "params": params}


def serve() -> None:
    """Answers jobs, one a line."""
    for line in sys.stdin:
        print(json.dumps(timed(**json.loads(line))), flush=True)


# Taking turns.


class Python:
    """Python's side: a process a job, or one for all."""

    def __init__(self, is_one: bool, bound: list):
        self.command = [*bound, sys.executable, __file__, "--serve"]
        self.all = self.start() if is_one else None

    def start(self):
        return subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, job: dict) -> dict:
        own = self.all or self.start()
        own.stdin.write(json.dumps(job) + "\n")
        own.stdin.flush()
        done = json.loads(own.stdout.readline())
        if own is not self.all:
            own.stdin.close()
            own.wait()
        return done


def heirloom(binary: Path, job: dict, bound: list) -> dict:
    with tempfile.TemporaryDirectory() as base:
        command = [*bound, str(binary), "--json", "train", "--base", f"sled://{base}/base", "--task", "same"]
        command += ["--device", job["device"], "--batch-size", str(job["batch"])]
        command += ["--precision", "bfloat16"] if job["in_bfloat16"] else []
        command += ["--channels-last"] if job["channels_last"] else []
        command += ["--space", job["space"], "--architecture", json.dumps(job["own"]), "--from", job["folder"], "--no-weights"]
        command += ["--epochs", str(job["epochs"]), "--seed", str(job["seed"])]
        trial = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {"seconds": trial["costs"]["train_s"], "score": trial["score"], "params": trial["costs"]["params"]}


def longer(run, job: dict) -> dict:
    """What training three times as long takes more, on CUDA; else what training takes."""
    done = run(job)
    if job["device"] == "cuda":
        longer = run(job | {"epochs": 3 * job["epochs"]})
        done = longer | {"seconds": longer["seconds"] - done["seconds"]}
    return done


def spread(values: list) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def compare(args, python: Python, name: str, folder: Path, space: str, size: str) -> None:
    """Prints a row of the table."""
    bound = binding(args)
    _, batch, epochs = SETS[name]
    job = {"space": space, "own": NETWORKS[space][size], "folder": str(folder), "threads": args.threads, "batch": batch}
    job |= {"device": args.device, "in_bfloat16": "bfloat16" in size}
    job["channels_last"] = "channels last" in size or job["in_bfloat16"]
    job["epochs"] = args.epochs or epochs[args.device == "cuda"]
    done = {"heirloom": [], "plain": [], "fused": []}
    for repeat in range(args.repeats):
        job["seed"] = repeat
        turns = list(done)
        for who in turns if repeat % 2 == 0 else reversed(turns):
            if who == "heirloom":
                own = longer(lambda job: heirloom(args.heirloom, job, bound), job)
            else:
                own = longer(python.run, job | {"fused": who == "fused"})
            done[who].append(own)
    assert len({run["params"] for runs in done.values() for run in runs}) == 1, f"other networks: {done}"
    seconds = {who: [run["seconds"] for run in runs] for who, runs in done.items()}
    ratios = {who: [ours / theirs for ours, theirs in zip(seconds["heirloom"], seconds[who])] for who in ("plain", "fused")}
    scores = {who: statistics.mean(run["score"] for run in runs) for who, runs in done.items()}
    cells = [name, space, size, f"{done['plain'][0]['params']:,}", args.threads]
    cells += [f"{statistics.median(seconds[who]):.2f}" for who in done] + [spread(ratios[who]) for who in ratios]
    cells += [f"{scores['heirloom']:.3f}", f"{(scores['plain'] + scores['fused']) / 2:.3f}"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def binding(args) -> list:
    return ["taskset", "-c", str(args.core)] if args.threads == 1 and args.device == "cpu" else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--heirloom", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--core", type=int, default=0, help="the core that one thread is bound to")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--epochs", type=int, help="unless given, 10 on the CPU, and on CUDA as many as take a moment")
    parser.add_argument("--set", choices=list(SETS), action="append", help="only this data set")
    sizes = sorted({size for sizes in NETWORKS.values() for size in sizes})
    parser.add_argument("--network", choices=sizes, action="append", help="only this size")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    args.heirloom = args.heirloom.resolve()
    work = Path(tempfile.mkdtemp())
    print("| data | space | network | parameters | threads | Heirloom (s) | Python (s) | Python, fused AdamW (s) "
          "| Heirloom / Python | Heirloom / fused | accuracy | of Python |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    python = Python(args.device == "cuda", binding(args))
    ordinary = ["digits", "photographs", *(["images"] if args.device == "cuda" else [])]
    makers = {"digits": (digits, args.wheels), "photographs": (photographs, args.data), "images": (images, args.data)}
    for name in args.set or ordinary:
        make, source = makers[name]
        make(source, work / name)
        for space in SETS[name][0]:
            for size in NETWORKS[space]:
                if not args.network or size in args.network:
                    compare(args, python, name, work / name, space, size)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
