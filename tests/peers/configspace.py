"""Spaces as `ConfigSpace` has them, for SMAC3 (release 1) and OpenBox (release 0.6)."""

from __future__ import annotations

from typing import Any

from ConfigSpace import (
    AndConjunction,
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    InCondition,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)

from space import Architecture, Param, Space


def hyperparameter(param: Param) -> Any:
    if param.kind == "choice":
        return CategoricalHyperparameter(param.name, list(param.options))
    kind = UniformFloatHyperparameter if param.kind == "real" else UniformIntegerHyperparameter
    cast = float if param.kind == "real" else int
    return kind(param.name, cast(param.lo), cast(param.hi), log=param.log)


def config_space(space: Space, seed: int, made: type[ConfigurationSpace] = ConfigurationSpace) -> ConfigurationSpace:
    """The space with its conditions; levels as positions."""
    found = made(seed=seed)
    by_name = {param.name: hyperparameter(param) for param in space.params}
    params = {param.name: param for param in space.params}
    found.add_hyperparameters(list(by_name.values()))
    for param in space.params:
        conditions = [InCondition(by_name[param.name], by_name[parent], [params[parent].to_peer(v) for v in values])
                      for parent, values in param.active_if]
        if conditions:
            found.add_condition(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
    return found


def configuration(space: Space, known: ConfigurationSpace, architecture: Architecture) -> Configuration:
    """An architecture as a configuration. Logarithms lose the last digits, so values are put back between the bounds."""
    values = {}
    for param in space.params:
        if param.name in architecture:
            value = param.to_peer(architecture[param.name])
            values[param.name] = value if param.kind == "choice" else min(max(value, param.lo), param.hi)
    return Configuration(known, values=values)


def architecture(space: Space, found: Configuration) -> Architecture:
    values = dict(found) if not hasattr(found, "get_dictionary") else found.get_dictionary()
    return space.from_peer({param.name: values.get(param.name) for param in space.params})
