"""Heirloom itself, through its command line (import) and its REST server (studies)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import jsonl
from replay import Setup
from space import Architecture


class Heirloom:
    """A server over a fresh base that holds the sample of the past tasks' trials and, of the new task, only what it is.

    A base of its own for each replay: what a study is told stays in the base, and would be history for the next task."""

    def __init__(self, setup: Setup) -> None:
        close()
        self.setup = setup
        self.folder = Path(tempfile.mkdtemp(prefix="heirloom-peers-"))
        OPEN.append(self)
        program = os.environ["HEIRLOOM"]
        self.environment = {**os.environ, "HEIRLOOM_BASE": f"sled://{self.folder / 'base'}"}
        subprocess.run([program, "import", "--strict", str(self._written())], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)
        self.server = subprocess.Popen([program, "--json", "serve", "--listen", "127.0.0.1:0"], env=self.environment,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.server.stdout.readline())["listening"]
        task = setup.task.id
        self.study = self._post("/v1/studies", {
            "task": task, "space": setup.space.id, "candidates": setup.pool.architectures, "seed": setup.seed,
            "history": {"exclude_tasks": [task]}})["id"]

    def _written(self) -> Path:
        path = self.folder / "history.jsonl"
        lines = [self.setup.space.line, self.setup.task.line, *self.setup.past_task_lines]
        jsonl.write(path, lines + [line for known in self.setup.past for line in known.lines])
        return path

    def _post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()[:500]}") from error

    def propose(self) -> Architecture:
        answer = self._post(f"/v1/studies/{self.study}/ask", {"n": 1})
        return answer[0]["architecture"] if isinstance(answer, list) else answer["proposals"][0]["architecture"]

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        if not as_proposed:
            raise RuntimeError("Heirloom proposed what is not among the candidates")
        task = self.setup.task
        trial = {"architecture": self.setup.pool.architectures[at], "split": "validation",
                 "metric": task.line["metric"], "score": task.higher_is_better(score)}
        self._post(f"/v1/studies/{self.study}/tell", {"trials": [trial]})

    def close(self) -> None:
        if hasattr(self, "server"):
            self.server.terminate()
            self.server.wait()
            self.server.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


OPEN: list[Heirloom] = []


def close() -> None:
    """Ends the servers that are still running; the worker calls it after each replay."""
    while OPEN:
        with contextlib.suppress(OSError):
            OPEN.pop().close()


METHODS = {os.environ.get("HEIRLOOM_LABEL", "heirloom"): Heirloom}
