"""Histories as JSON Lines: `.jsonl`, `.jsonl.gz` and `.jsonl.zst`, in the format that `heirloom export` writes."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def slug(name: str) -> str:
    """A name in the form that ids have."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@contextlib.contextmanager
def opened(path: Path, mode: str) -> Iterator[io.TextIOBase]:
    """A text file, packed as its ending says; `mode` is `r` or `w`."""
    if path.suffix == ".gz":
        with gzip.open(path, mode + "t", encoding="utf-8") as file:
            yield file
    elif path.suffix == ".zst":
        import zstandard

        with zstandard.open(path, mode + "t", encoding="utf-8") as file:
            yield file
    else:
        with open(path, mode, encoding="utf-8") as file:
            yield file


def read(path: Path) -> Iterator[Line]:
    """The objects of a file, one a line; blank lines are passed over."""
    with opened(path, "r") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                try:
                    yield json.loads(text)
                except ValueError as error:
                    raise SystemExit(f"{path}, line {number}: {error}") from error


def write(path: Path, lines: Iterable[Line]) -> int:
    """Writes objects one a line and says how many."""
    written = 0
    with opened(path, "w") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            written += 1
    return written


def write_made(about: str | None, kinds: list[str], lines: Callable[[str, int], list[Line]]) -> None:
    """The command line of what makes a history of a kind by a seed: `KIND OUT --seed N`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write(args.out, lines(args.kind, args.seed))
