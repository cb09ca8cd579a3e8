"""OpenBox: its Bayesian optimisation without a history, and with the past tasks' results through RGPE."""

from __future__ import annotations

import numpy as np
from openbox import Advisor, History, Observation, logger
from openbox.utils.constants import SUCCESS

import configspace
from history import Known
from replay import Method, Setup
from space import Architecture


class OpenBox:
    """An advisor that is asked and told; it minimises."""

    def __init__(self, setup: Setup, transfer: bool, surrogate: str = "auto") -> None:
        self.setup = setup
        logger.init(level="ERROR", stream=False)
        # RGPE draws from numpy's global generator.
        np.random.seed(setup.seed)
        self.space = configspace.config_space(setup.space, setup.seed)
        past = [self._history(known) for known in setup.past] if transfer else None
        self.advisor = Advisor(self.space, surrogate_type=surrogate, transfer_learning_history=past,
                               random_state=setup.seed, output_dir=None, logger_kwargs={"level": "ERROR", "stream": False})

    def _history(self, known: Known) -> History:
        history = History(task_id=known.task, config_space=self.space)
        history.update_observations([self._observation(architecture, score)
                                     for architecture, score in zip(known.architectures, known.scores, strict=True)])
        return history

    def _observation(self, architecture: Architecture, score: float) -> Observation:
        config = configspace.configuration(self.setup.space, self.space, architecture)
        return Observation(config=config, objectives=[-float(score)], trial_state=SUCCESS, elapsed_time=0.0)

    def propose(self) -> Architecture:
        return configspace.architecture(self.setup.space, self.advisor.get_suggestion())

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        self.advisor.update_observation(self._observation(self.setup.pool.architectures[at], score))


def alone(setup: Setup) -> Method:
    return OpenBox(setup, transfer=False)


def rgpe(setup: Setup) -> Method:
    return OpenBox(setup, transfer=True)


def rgpe_of_processes(setup: Setup) -> Method:
    """With Gaussian processes also where OpenBox itself takes forests."""
    return OpenBox(setup, transfer=True, surrogate="tlbo_rgpe_gp")


METHODS = {"openbox-bo": alone, "openbox-rgpe": rgpe, "openbox-rgpe-gp": rgpe_of_processes}
