#!/usr/bin/env python3
"""How good recommendations are in a space of real numbers, where whatever is proposed can be measured.

    python3 real_space.py --heirloom ../../target/release/heirloom --kind ripples --seeds 14 --first-seed 20

Made-up tasks over four real numbers, two integers and a choice: bowls, or bowls with ripples, whose centres, widths and heights differ
from task to task. Some past tasks have random trials; the new one asks the REST server, measures what is proposed and
imports the scores. Reported is the regret `(best - best found) / (best - median)`, of scores without noise, the mean over seeds,
and how near proposals lie to earlier ones (the space as a unit cube, another choice counted as one).
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

NUMBERS = 6
CHOICES = "abc"
SHOWN = [1, 2, 4, 8, 12, 16, 24, 32]
SPACE = {
    "type": "space",
    "id": "made-up/1",
    "params": [
        {"name": "lr", "range": {"kind": "real", "lo": 1e-5, "hi": 1e-1, "log": True}},
        {"name": "weight_decay", "range": {"kind": "real", "lo": 1e-6, "hi": 1e-2, "log": True}},
        {"name": "dropout", "range": {"kind": "real", "lo": 0.0, "hi": 0.6}},
        {"name": "momentum", "range": {"kind": "real", "lo": 0.0, "hi": 1.0}},
        {"name": "width", "range": {"kind": "int", "lo": 16, "hi": 512, "log": True}},
        {"name": "layers", "range": {"kind": "int", "lo": 1, "hi": 8}},
        {"name": "activation", "range": {"kind": "choice", "options": list(CHOICES)}},
    ],
}


def architecture(place: list) -> dict:
    """Of a place in the unit cube, the choice last."""
    lr, decay, dropout, momentum, width, layers, activation = place
    numbers = {"lr": 10 ** (-5 + 4 * lr), "weight_decay": 10 ** (-6 + 4 * decay), "dropout": 0.6 * dropout, "momentum": momentum}
    return {**numbers, "width": round(2 ** (4 + 5 * width)), "layers": round(1 + 7 * layers), "activation": activation}


def place(own: dict) -> list:
    numbers = [(math.log10(own["lr"]) + 5) / 4, (math.log10(own["weight_decay"]) + 6) / 4, own["dropout"] / 0.6, own["momentum"]]
    return [*numbers, (math.log2(own["width"]) - 4) / 5, (own["layers"] - 1) / 7, own["activation"]]


def drawn(chance: random.Random) -> list:
    """A place that an architecture has: integers are rounded."""
    return place(architecture([chance.random() for _ in range(NUMBERS)] + [chance.choice(CHOICES)]))


def usual(chance: random.Random) -> dict:
    """What tasks are made around."""
    centre = [chance.uniform(0.25, 0.75) for _ in range(NUMBERS)]
    return {"centre": centre, "steep": [chance.choice([0.3, 1, 3]) for _ in centre], "cost": {c: chance.uniform(0, 0.3) for c in CHOICES}}


def task(chance: random.Random, around: dict, kind: str):
    """A function of a place: the score."""
    centre = [min(0.95, max(0.05, at + chance.gauss(0, 0.12))) for at in around["centre"]]
    steep = [own * math.exp(chance.gauss(0, 0.4)) for own in around["steep"]]
    cost = {choice: own + chance.gauss(0, 0.05) for choice, own in around["cost"].items()}
    top, depth = chance.uniform(0.5, 0.9), chance.uniform(0.2, 0.5)
    phases = [chance.uniform(0, 6) for _ in centre]

    def score(at: list) -> float:
        depth_here = sum(own * (x - c) ** 2 for own, x, c in zip(steep, at, centre))
        if kind == "ripples":
            depth_here += 0.02 * sum(1 + math.sin(14 * x + phase) for x, phase in zip(at, phases))
        return top - depth * (1 - math.exp(-depth_here)) - depth * cost[at[-1]]

    return score


def best_of(score, chance: random.Random) -> float:
    """The best score, by many climbs."""
    best = -math.inf
    for _ in range(30):
        here, step = drawn(chance), 0.2
        for _ in range(1500):
            near = [min(1, max(0, x + chance.gauss(0, step))) for x in here[:NUMBERS]]
            near = place(architecture([*near, chance.choice(CHOICES) if chance.random() < 0.1 else here[-1]]))
            if score(near) > score(here):
                here = near
            else:
                step = max(0.01, step * 0.998)
        best = max(best, score(here))
    return best


class Server:
    def __init__(self, binary: str, port: int):
        self.folder = tempfile.TemporaryDirectory()
        self.at = f"127.0.0.1:{port}"
        command = [binary, "--base", f"sled://{self.folder.name}/base", "serve", "--listen", self.at]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        for _ in range(100):
            try:
                self.call("GET", "/v1/tasks")
                return
            except urllib.error.URLError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def call(self, method: str, path: str, body=None):
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(f"http://{self.at}{path}", data=data, method=method, headers={"content-type": kind})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def tell(self, records: list) -> None:
        self.call("POST", "/v1/import", "\n".join(map(json.dumps, records)))

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def trial(of: str, own: dict, score: float) -> dict:
    return {"type": "trial", "task": of, "space": SPACE["id"], "architecture": own, "split": "validation", "metric": "accuracy", "score": score}


def told(own: dict, digits) -> dict:
    """As a client tells it that keeps so many digits of real numbers."""
    if not digits:
        return own
    return {name: float(f"{value:.{digits - 1}e}") if isinstance(value, float) else value for name, value in own.items()}


def replay(args, seed: int) -> tuple:
    """The regret after each trial, and how far each proposal is from the nearest before."""
    chance = random.Random(seed)
    around = usual(chance)
    scores = [task(chance, around, args.kind) for _ in range(args.past + 1)]
    records = [SPACE] + [{"type": "task", "id": f"task{at}", "domain": "tabular", "metric": "accuracy", "goal": "maximize"} for at in range(args.past + 1)]
    for at, score in enumerate(scores[:-1]):
        places = [drawn(chance) for _ in range(args.trials_a_task)]
        records += [trial(f"task{at}", architecture(one), score(one) + args.noise * chance.gauss(0, 1)) for one in places]
    new, score = f"task{args.past}", scores[-1]
    other = random.Random(seed + 99)
    median = statistics.median(score(drawn(other)) for _ in range(20_000))
    best = best_of(score, other)
    regrets, seen, gaps, found = [], [], [], -math.inf
    with Server(args.heirloom, args.port) as server:
        server.tell(records)
        while len(regrets) < args.trials:
            answer = server.call("POST", "/v1/recommendations", {"task": new, "space": SPACE["id"], "k": args.at_once})
            trials = []
            for one in answer["ranked"][: args.at_once]:
                at = place(one["architecture"])
                gaps += [min(math.dist(at[:-1], near[:-1]) + (at[-1] != near[-1]) for near in seen)] if seen else []
                seen.append(at)
                found = max(found, score(at))
                regrets.append((best - found) / (best - median))
                trials.append(trial(new, told(one["architecture"], args.digits), score(at) + args.noise * chance.gauss(0, 1)))
            server.tell(trials)
    return regrets, gaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heirloom", required=True)
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
    replays = [replay(args, seed) for seed in range(args.first_seed, args.first_seed + args.seeds)]
    shown = [k for k in SHOWN if k <= args.trials]
    gaps = [gap for _, gaps in replays for gap in gaps]
    print("| kind | at once | " + " | ".join(f"k={k}" for k in shown) + " | nearer than .05 |")
    print("|---" * (len(shown) + 3) + "|")
    means = [f"{statistics.mean(regrets[k - 1] for regrets, _ in replays):.3f}" for k in shown]
    near = sum(gap < 0.05 for gap in gaps) / len(gaps)
    print(f"| {args.kind} | {args.at_once} | " + " | ".join(means) + f" | {100 * near:.0f} % |")


if __name__ == "__main__":
    main()
