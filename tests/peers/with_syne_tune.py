"""Syne Tune 0.13: random search, Bayesian optimisation, regularised evolution, and its transfer methods.

0.13.0 is the last release that has them all in working order: 0.16.0 has no RUSH scheduler any more, and its zero-shot scheduler proposes at random.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from syne_tune.backend.trial_status import Trial
from syne_tune.blackbox_repository.blackbox_surrogate import BlackboxSurrogate
from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform
from syne_tune.optimizer.baselines import REA, BayesianOptimization, RandomSearch
from syne_tune.optimizer.schedulers import FIFOScheduler
from syne_tune.optimizer.schedulers.transfer_learning import (
    BoundingBox,
    RUSHScheduler,
    TransferLearningTaskEvaluations,
)
from syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher import (
    QuantileBasedSurrogateSearcher,
)

from history import Known
from replay import Method, Setup
from space import Architecture, Param, Space

METRIC = "loss"
QUIET = {"debug_log": False}
logging.disable(logging.WARNING)


def domain(param: Param) -> Any:
    if param.kind == "choice":
        return choice(list(param.options))
    if param.kind == "real":
        return loguniform(param.lo, param.hi) if param.log else uniform(param.lo, param.hi)
    whole = lograndint if param.log else randint
    return whole(int(param.lo), int(param.hi))


def config_space(space: Space) -> dict[str, Any]:
    """Syne Tune knows no conditions: inactive parameters have a value that does not count."""
    return {param.name: domain(param) for param in space.params}


def frame(space: Space, architectures: list[Architecture]) -> pd.DataFrame:
    return pd.DataFrame([space.to_peer(architecture) for architecture in architectures])


def evaluations(space: Space, table: pd.DataFrame, losses: np.ndarray) -> TransferLearningTaskEvaluations:
    """What a past task has measured, as losses: the transfer methods rank or normalise them within the task themselves."""
    return TransferLearningTaskEvaluations(configuration_space=config_space(space), hyperparameters=table,
                                           objectives_names=[METRIC], objectives_evaluations=losses.reshape(-1, 1, 1, 1))


def past(setup: Setup) -> dict[str, TransferLearningTaskEvaluations]:
    return {known.task: evaluations(setup.space, frame(setup.space, known.architectures), -known.scores)
            for known in setup.past}


class Scheduler:
    """A scheduler that is asked for trials and told their results. What is evaluated in place of a proposal is told under its
    own configuration."""

    def __init__(self, setup: Setup, scheduler: Any, results: tuple[dict[str, int], ...] = ({},)) -> None:
        self.setup, self.scheduler, self.results = setup, scheduler, results
        self.trials = 0

    def propose(self) -> Architecture:
        self.config = self.scheduler.suggest(self.trials).config
        return self.setup.space.from_peer(self.config)

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        trial = self._trial(self.config if as_proposed else self._evaluated(at))
        self.scheduler.on_trial_add(trial)
        self._tell(trial, score)

    def _evaluated(self, at: int) -> Architecture:
        return self.setup.space.to_peer(self.setup.pool.architectures[at])

    def _trial(self, config: Architecture) -> Trial:
        self.trials += 1
        return Trial(self.trials - 1, dict(config), datetime.datetime(2000, 1, 1))

    def _tell(self, trial: Trial, score: float) -> None:
        for resource in self.results:
            result = {METRIC: -score, **resource}
            if self.scheduler.on_trial_result(trial, result) != "CONTINUE":
                break
        self.scheduler.on_trial_complete(trial, result)


class Bayesian(Scheduler):
    """Its searcher keeps the configuration that it proposed under the trial's number, so what is evaluated instead becomes a trial
    of its own and the proposal counts as failed. What lies outside its space (a bounding box) it cannot be told; then the
    proposal gets the score of its nearest neighbour."""

    def __init__(self, setup: Setup, scheduler: Any, space: dict[str, Any]) -> None:
        super().__init__(setup, scheduler)
        self.space = space

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        proposed = self._trial(self.config)
        self.scheduler.on_trial_add(proposed)
        evaluated = self._evaluated(at)
        if as_proposed or not all(self.space[name].is_valid(value) for name, value in evaluated.items()):
            self._tell(proposed, score)
            return
        self.scheduler.on_trial_error(proposed)
        self._tell(self._trial(evaluated), score)


class Portfolio:
    """Zero-shot transfer: the searcher's own sequence, which does not depend on the new task's results.

    It needs every configuration on every past task. Its option `use_surrogates` draws *other* configurations for each task
    and then takes them for the same, so the same surrogates (its pipeline with XGBoost) fill in the pool here."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        table = frame(setup.space, setup.pool.architectures)
        filled = {}
        for known in setup.past:
            losses = filled_in(setup.space, known, table)
            filled[known.task] = evaluations(setup.space, table.copy(), losses)
        self.searcher = FIFOScheduler(
            config_space(setup.space), metric=METRIC, mode="min", random_seed=setup.seed,
            searcher=zero_shot_searcher(setup, filled)).searcher

    def propose(self) -> Architecture:
        return self.setup.space.from_peer(self.searcher.get_config())

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        pass


def zero_shot_searcher(setup: Setup, filled: dict[str, TransferLearningTaskEvaluations]) -> Any:
    from syne_tune.optimizer.schedulers.transfer_learning.zero_shot import ZeroShotTransfer as Searcher

    return Searcher(config_space(setup.space), metric=METRIC, transfer_learning_evaluations=filled, mode="min",
                    sort_transfer_learning_evaluations=False, random_seed=setup.seed)


def filled_in(space: Space, known: Known, table: pd.DataFrame) -> np.ndarray:
    """Losses of all members of the pool on a past task: predicted, and measured where they are."""
    model = BlackboxSurrogate.make_model_pipeline(configuration_space=config_space(space), fidelity_space={},
                                                  model=xgboost.XGBRegressor())
    measured = frame(space, known.architectures)
    model.fit(measured, -known.scores)
    losses = np.asarray(model.predict(table), dtype=float).reshape(-1)
    at = {tuple(row): place for place, row in enumerate(table.itertuples(index=False))}
    for row, score in zip(measured.itertuples(index=False), known.scores, strict=True):
        if tuple(row) in at:
            losses[at[tuple(row)]] = -score
    return losses


def random_search(setup: Setup) -> Method:
    return Scheduler(setup, RandomSearch(config_space(setup.space), metric=METRIC, mode="min", random_seed=setup.seed))


def bayesian(setup: Setup) -> Method:
    space = config_space(setup.space)
    return Bayesian(setup, BayesianOptimization(space, metric=METRIC, mode="min", random_seed=setup.seed,
                                                search_options=QUIET), space)


def bayesian_in_pool(setup: Setup) -> Method:
    """With the pool as its list of candidates (`restrict_configurations`)."""
    space = config_space(setup.space)
    pool = frame(setup.space, setup.pool.architectures).to_dict("records")
    options = {**QUIET, "restrict_configurations": pool, "skip_local_optimization": True}
    return Bayesian(setup, BayesianOptimization(space, metric=METRIC, mode="min", random_seed=setup.seed,
                                                search_options=options), space)


def evolution(setup: Setup) -> Method:
    """The default population of 100 would be random search for as few trials as these."""
    return Scheduler(setup, REA(config_space(setup.space), metric=METRIC, mode="min", random_seed=setup.seed,
                                population_size=10, sample_size=5))


def quantile(setup: Setup) -> Method:
    """Its candidates are the pool in place of 100,000 random configurations."""
    searcher = QuantileBasedSurrogateSearcher(config_space(setup.space), metric=METRIC, mode="min",
                                              transfer_learning_evaluations=past(setup), random_seed=setup.seed)
    sigma = float(searcher.sigma_pred.flat[0])
    searcher.X_candidates = frame(setup.space, setup.pool.architectures)
    searcher.mu_pred = np.asarray(searcher.model_pipeline.predict(searcher.X_candidates)).reshape(-1, 1)
    searcher.sigma_pred = np.full_like(searcher.mu_pred, sigma)
    scheduler = FIFOScheduler(config_space(setup.space), metric=METRIC, mode="min", searcher=searcher,
                              random_seed=setup.seed)
    return Scheduler(setup, scheduler)


def bounding_box(setup: Setup) -> Method:
    """Bayesian optimisation in the box of the best of the past tasks, as in the paper."""
    box: dict[str, Any] = {}

    def inside(found: dict[str, Any], mode: str, metric: str) -> BayesianOptimization:
        box.update(found)
        return BayesianOptimization(found, metric=metric, mode=mode, random_seed=setup.seed, search_options=QUIET)

    scheduler = BoundingBox(inside, config_space(setup.space), metric=METRIC, mode="min",
                            transfer_learning_evaluations=past(setup))
    return Bayesian(setup, scheduler, box)


def rush(setup: Setup) -> Method:
    """There is one fidelity here, which counts as both of two: the best of each past task come first, then random search."""
    scheduler = RUSHScheduler(config_space(setup.space), transfer_learning_evaluations=past(setup), metric=METRIC,
                              mode="min", max_t=2, resource_attr="epoch", searcher="random",
                              random_seed=setup.seed, search_options=QUIET)
    return Scheduler(setup, scheduler, ({"epoch": 1}, {"epoch": 2}))


METHODS = {
    "synetune-random": random_search,
    "synetune-bo": bayesian,
    "synetune-bo-pool": bayesian_in_pool,
    "synetune-rea": evolution,
    "synetune-zero-shot": Portfolio,
    "synetune-quantile": quantile,
    "synetune-bounding-box": bounding_box,
    "synetune-rush": rush,
}
