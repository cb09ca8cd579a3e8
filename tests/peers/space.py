"""Search spaces, architectures and the pool of a task, as the peers' adapters see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import isomorphs
from jsonl import Line

Architecture = dict[str, Any]


@dataclass(frozen=True)
class Param:
    """A parameter of a space. Levels are handled by their position, so that every peer knows that they are ordered."""

    name: str
    kind: str  # choice, levels, int or real
    options: tuple[Any, ...] = ()  # of choice and levels
    lo: float = 0.0
    hi: float = 1.0
    log: bool = False
    active_if: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @staticmethod
    def read(line: Line) -> Param:
        bounds = line["range"]
        conditions = tuple((one["param"], tuple(one["any_of"])) for one in line.get("active_if", []))
        options = tuple(bounds.get("options") or bounds.get("values") or ())
        lo, hi = (0, len(options) - 1) if bounds["kind"] == "levels" else (bounds.get("lo", 0), bounds.get("hi", 1))
        return Param(line["name"], bounds["kind"], options, lo, hi, bounds.get("log", False), conditions)

    def to_peer(self, value: Any) -> Any:
        """What a peer is told: the position of a level, else the value itself."""
        return self.options.index(value) if self.kind == "levels" else value

    def from_peer(self, value: Any) -> Any:
        """What a peer's proposal means, in plain Python types."""
        if self.kind == "choice":
            return str(value)
        if self.kind == "levels":
            return self.options[int(value)]
        return int(value) if self.kind == "int" else min(max(float(value), self.lo), self.hi)

    def filler(self) -> Any:
        """What stands for an inactive parameter with peers that know no conditions, in the peer's form."""
        if self.kind == "choice":
            return self.options[0]
        middle = math.sqrt(self.lo * self.hi) if self.log else (self.lo + self.hi) / 2
        return middle if self.kind == "real" else int(middle)

    def unit(self, value: Any) -> float:
        """The value on a scale from 0 to 1; logarithmic where the range says so."""
        if self.hi == self.lo:
            return 0.5
        if self.log:
            return math.log(value / self.lo) / math.log(self.hi / self.lo)
        return (self.to_peer(value) - self.lo) / (self.hi - self.lo)


class Space:
    """A search space: parameters in order."""

    def __init__(self, line: Line) -> None:
        self.id: str = line["id"]
        self.line = line
        self.params = [Param.read(param) for param in line["params"]]
        self.canonical: Callable[[Architecture], Architecture] = isomorphs.CANONICAL.get(self.id, dict)

    def is_active(self, param: Param, architecture: Architecture) -> bool:
        return all(architecture.get(name) in values for name, values in param.active_if)

    def to_peer(self, architecture: Architecture) -> Architecture:
        """All parameters in the peers' form, inactive ones filled in."""
        return {p.name: p.to_peer(architecture[p.name]) if p.name in architecture else p.filler() for p in self.params}

    def from_peer(self, proposal: Architecture) -> Architecture:
        """A peer's proposal without what is inactive."""
        architecture: Architecture = {}
        for param in self.params:
            if self.is_active(param, architecture):
                architecture[param.name] = param.from_peer(proposal[param.name])
        return architecture

    def key(self, architecture: Architecture) -> tuple[Any, ...]:
        """Equal for isomorphic architectures."""
        canonical = self.canonical(architecture)
        return tuple(canonical.get(param.name) for param in self.params)

    def encode(self, architectures: list[Architecture]) -> np.ndarray:
        """Rows whose squared distance counts 1 for another option, and the square of a numeric difference on a unit scale."""
        columns = []
        for param in self.params:
            if param.kind == "choice":
                for option in param.options:
                    columns.append([math.sqrt(0.5) * (a.get(param.name) == option) for a in architectures])
            else:
                columns.append([param.unit(a[param.name]) if param.name in a else 0.5 for a in architectures])
        return np.array(columns, dtype=np.float32).T


class Pool:
    """What may be proposed on a task, and which of it has been tried."""

    def __init__(self, space: Space, architectures: list[Architecture], seed: int) -> None:
        self.space = space
        self.architectures = architectures
        self.tried = np.zeros(len(architectures), dtype=bool)
        self._at = {space.key(architecture): at for at, architecture in enumerate(architectures)}
        self._rows = space.encode(architectures)
        self._rng = np.random.default_rng([seed, 7])

    def __len__(self) -> int:
        return len(self.architectures)

    def place(self, architecture: Architecture) -> tuple[int, bool]:
        """Where a proposal is in the pool, and whether it is that very architecture (or an isomorph of it). What is not in the
        pool, or has been tried, becomes the nearest member that has not; ties fall at random."""
        at = self._at.get(self.space.key(architecture))
        if at is not None and not self.tried[at]:
            return at, True
        row = self.space.encode([architecture])[0]
        distance = ((self._rows - row) ** 2).sum(axis=1)
        distance[self.tried] = np.inf
        nearest = np.flatnonzero(distance <= distance.min() + 1e-6)
        return int(self._rng.choice(nearest)), False

    def also(self, architecture: Architecture) -> int:
        """Where an architecture is in the pool, which grows by it: for spaces of which anything can be measured."""
        key = self.space.key(architecture)
        if key not in self._at:
            self._at[key] = len(self.architectures)
            self.architectures.append(architecture)
            self.tried = np.append(self.tried, False)
            self._rows = np.vstack([self._rows, self.space.encode([architecture])])
        self.tried[self._at[key]] = True
        return self._at[key]

    def at_random(self) -> int:
        return int(self._rng.choice(np.flatnonzero(~self.tried)))
