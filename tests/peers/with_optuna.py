"""Optuna: its TPE and Gaussian process samplers, and TPE started from the best of the past tasks."""

from __future__ import annotations

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from replay import Method, Setup
from space import Architecture, Param

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(param: Param) -> BaseDistribution:
    if param.kind == "choice":
        return CategoricalDistribution(param.options)
    if param.kind == "real":
        return FloatDistribution(param.lo, param.hi, log=param.log)
    return IntDistribution(int(param.lo), int(param.hi), log=param.log)


class Optuna:
    """A study that is asked and told. What is evaluated in place of a proposal is told under its own parameters."""

    def __init__(self, setup: Setup, sampler: optuna.samplers.BaseSampler, first: list[Architecture]) -> None:
        self.setup = setup
        self.distributions = {param.name: distribution(param) for param in setup.space.params}
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        for architecture in first:
            self.study.enqueue_trial(self._params(architecture))

    def _params(self, architecture: Architecture) -> Architecture:
        return {p.name: p.to_peer(architecture[p.name]) for p in self.setup.space.params if p.name in architecture}

    def propose(self) -> Architecture:
        self.trial = self.study.ask()
        proposed: Architecture = {}
        for param in self.setup.space.params:
            if self.setup.space.is_active(param, proposed):
                proposed[param.name] = param.from_peer(self._suggest(param))
        return proposed

    def _suggest(self, param: Param) -> object:
        if param.kind == "choice":
            return self.trial.suggest_categorical(param.name, param.options)
        if param.kind == "real":
            return self.trial.suggest_float(param.name, param.lo, param.hi, log=param.log)
        return self.trial.suggest_int(param.name, int(param.lo), int(param.hi), log=param.log)

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        if as_proposed:
            self.study.tell(self.trial, score)
            return
        self.study.tell(self.trial, state=TrialState.FAIL)
        params = self._params(self.setup.pool.architectures[at])
        distributions = {name: self.distributions[name] for name in params}
        self.study.add_trial(create_trial(params=params, distributions=distributions, value=score))


def tpe(setup: Setup) -> Method:
    return Optuna(setup, optuna.samplers.TPESampler(seed=setup.seed), [])


def gp(setup: Setup) -> Method:
    return Optuna(setup, optuna.samplers.GPSampler(seed=setup.seed), [])


def tpe_warm(setup: Setup) -> Method:
    """The best known architecture of each past task is enqueued first."""
    first: list[Architecture] = []
    for known in setup.past:
        if known.best() not in first:
            first.append(known.best())
    return Optuna(setup, optuna.samplers.TPESampler(seed=setup.seed), first)


METHODS = {"optuna-tpe": tpe, "optuna-gp": gp, "optuna-tpe-warm": tpe_warm}
