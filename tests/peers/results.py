"""The file of results: a line that says what was measured, then a line a replay, so that a broken run goes on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist, fmean, stdev
from typing import Any

import jsonl

Replay = dict[str, Any]


class Results:
    """An open file of results."""

    def __init__(self, path: Path, setup: dict[str, Any], replays: list[Replay]) -> None:
        self.path, self.setup, self.replays = path, setup, replays
        self._done = {(one["method"], one["seed"], one["task"]) for one in replays}

    @staticmethod
    def open(path: Path) -> Results:
        setup, *replays = jsonl.read(path)
        return Results(path, setup, replays)

    @staticmethod
    def start(path: Path, setup: dict[str, Any]) -> Results:
        """Goes on with a file of the same setup; other seeds, tasks and numbers of trials than before may be asked for."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            jsonl.write(path, [setup])
        results = Results.open(path)
        for name in ("file", "space", "history"):
            if results.setup[name] != setup[name]:
                raise SystemExit(f"{path} was measured with {name} = {results.setup[name]}, not {setup[name]}")
        if results.setup != setup:
            results.setup = setup
            jsonl.write(path, [setup, *results.replays])
        return results

    def has(self, method: str, seed: int, task: str) -> bool:
        return (method, seed, task) in self._done

    def add(self, method: str, seed: int, task: str, curve: list[Replay], start_s: float, wall_s: float) -> None:
        line = {"method": method, "seed": seed, "task": task, "curve": curve, "start_s": start_s, "wall_s": wall_s}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._done.add((method, seed, task))
        self.replays.append(line)

    def summary(self, methods: list[str]) -> list[Replay]:
        """For each method the means over its replays, with half the width of the 95 % interval."""
        return [summary(method, mine) for method in methods if (mine := [r for r in self.replays if r["method"] == method])]


def summary(method: str, replays: list[Replay]) -> Replay:
    points = []
    for trials in sorted({point["trials"] for one in replays for point in one["curve"]}):
        reached = [point for one in replays for point in one["curve"] if point["trials"] == trials]
        regrets = [point["regret"] for point in reached]
        points.append({"trials": trials, "regret": fmean(regrets), "regret_half_width": half_width(regrets),
                       "percentile": fmean(point["percentile"] for point in reached),
                       "ask_s": fmean(point["ask_s"] for point in reached), "replays": len(reached)})
    return {"method": method, "mean_regret": fmean(point["regret"] for point in points), "replays": len(replays),
            "start_s": fmean(one["start_s"] for one in replays), "wall_s": fmean(one["wall_s"] for one in replays),
            "curve": points}


def half_width(values: list[float]) -> float:
    """Half the 95 % interval of a mean, by Student's t (Cornish-Fisher expansion, within 0.2 % from five values on)."""
    if len(values) < 2:
        return 0.0
    z, n = NormalDist().inv_cdf(0.975), len(values) - 1
    t = (z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
         + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3))
    return t * stdev(values) / math.sqrt(len(values))


def table(summaries: list[Replay]) -> str:
    """A Markdown table, the lowest mean regret first."""
    trials = sorted({point["trials"] for one in summaries for point in one["curve"]})
    head = ["method", *(f"k={k}" for k in trials), "mean", "percentile at the last", "ask (s)", "replays"]
    rows = [head, ["---"] * len(head)]
    for one in sorted(summaries, key=lambda one: (-len(one["curve"]), one["mean_regret"])):
        at = {point["trials"]: point for point in one["curve"]}
        cells = [f"{at[k]['regret']:.3f}±{at[k]['regret_half_width']:.3f}" if k in at else "" for k in trials]
        last = one["curve"][-1]
        # A mean over fewer points would not compare.
        mean = f"{one['mean_regret']:.3f}" if len(at) == len(trials) else ""
        rows.append([one["method"], *cells, mean, f"{last['percentile']:.4f}",
                     f"{fmean(point['ask_s'] for point in one['curve']):.3f}", str(one["replays"])])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
