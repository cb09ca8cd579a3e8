"""Which module and which environment has which methods. Nothing of a peer is imported here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A library: its module, its environment below `.venvs/`, its methods."""

    module: str
    environment: str
    methods: tuple[str, ...]
    # Run only when they are named, for a replay takes many minutes.
    slow: tuple[str, ...] = ()


FAMILIES = {
    "random": Family("with_random", "common", ("random",)),
    "heirloom": Family("with_heirloom", "common", ("heirloom",)),
    "optuna": Family("with_optuna", "optuna", ("optuna-tpe", "optuna-gp", "optuna-tpe-warm")),
    "synetune": Family("with_syne_tune", "synetune", (
        "synetune-random", "synetune-bo", "synetune-bo-pool", "synetune-rea", "synetune-zero-shot", "synetune-quantile",
        "synetune-bounding-box", "synetune-rush")),
    "smac": Family("with_smac", "smac", ("smac",)),
    "openbox": Family("with_openbox", "openbox", ("openbox-bo", "openbox-rgpe", "openbox-rgpe-gp"), slow=("openbox-rgpe-gp",)),
}


def family_of(method: str) -> str:
    for name, family in FAMILIES.items():
        if method in family.methods:
            return name
    known = ", ".join(method for family in FAMILIES.values() for method in family.methods)
    raise SystemExit(f"no method {method}; there are {known}")
