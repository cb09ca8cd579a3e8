"""A history from a file of JSON Lines: one space, its tasks, and what each task has measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import jsonl
from jsonl import Line
from space import Architecture, Space


@dataclass
class Task:
    """A task: its complete validation trials, one an architecture (of isomorphs the first written, the last scored)."""

    line: Line
    lines: list[Line] = field(default_factory=list)  # all its validation trials, as they stand in the file
    architectures: list[Architecture] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)  # higher is better

    @property
    def id(self) -> str:
        return self.line["id"]

    def higher_is_better(self, score: float) -> float:
        return score if self.line["goal"] == "maximize" else -score


@dataclass(frozen=True)
class Known:
    """What is known of a past task: some of its trials."""

    task: str
    architectures: list[Architecture]
    scores: np.ndarray  # (n,), higher is better
    lines: list[Line]

    def best(self) -> Architecture:
        return self.architectures[int(np.argmax(self.scores))]


class History:
    """All that a file holds of one space."""

    def __init__(self, path: Path, space: str) -> None:
        tasks: dict[str, Task] = {}
        found: Space | None = None
        places: dict[str, dict[tuple, int]] = {}
        for line in jsonl.read(path):
            if line["type"] == "space" and line["id"] == space:
                found = Space(line)
            elif line["type"] == "task":
                tasks[line["id"]] = Task(line)
            elif line["type"] == "trial" and line["space"] == space and line["split"] == "validation":
                if found is None:
                    raise SystemExit(f"{path}: trials of {space} stand before the space")
                add(found, tasks[line["task"]], line, places.setdefault(line["task"], {}))
        if found is None:
            raise SystemExit(f"{path} has no space {space}")
        self.space = found
        self.tasks = {name: task for name, task in sorted(tasks.items()) if task.scores}

    def sample(self, per_task: int | None, seed: int) -> dict[str, Known]:
        """`per_task` trials of each task, drawn at random and anew for each seed; all of them for `None`."""
        return {name: sample(task, per_task, np.random.default_rng([seed, at]))
                for at, (name, task) in enumerate(self.tasks.items())}


def add(space: Space, task: Task, line: Line, places: dict[tuple, int]) -> None:
    """Takes in a trial if it is complete and of the task's metric."""
    if line.get("status", "complete") != "complete" or line["metric"] != task.line["metric"]:
        return
    task.lines.append(line)
    score = task.higher_is_better(line["score"])
    key = space.key(line["architecture"])
    if key in places:
        task.scores[places[key]] = score
    else:
        places[key] = len(task.scores)
        task.architectures.append(line["architecture"])
        task.scores.append(score)


def sample(task: Task, n: int | None, rng: np.random.Generator) -> Known:
    lines = task.lines
    if n is not None and n < len(lines):
        lines = [lines[at] for at in sorted(rng.choice(len(lines), size=n, replace=False))]
    scores = np.array([task.higher_is_better(line["score"]) for line in lines])
    return Known(task.id, [line["architecture"] for line in lines], scores, lines)
