"""SMAC3: the facade for hyperparameter optimisation (random forest, log expected improvement), asked and told."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue

import configspace
from replay import Setup
from space import Architecture

logging.disable(logging.WARNING)


class Smac:
    """SMAC has no transfer between tasks, so it sees nothing of the past."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.space = configspace.config_space(setup.space, setup.seed)
        self.folder = tempfile.TemporaryDirectory(prefix="smac-peers-")
        scenario = Scenario(self.space, n_trials=setup.trials, deterministic=True, seed=setup.seed,
                            output_directory=Path(self.folder.name))
        self.facade = Facade(scenario, lambda config, seed=0: 0.0, logging_level=False, overwrite=True)
        # Its forest learns the logarithm of the cost, so costs must be positive: errors for what is maximised up to 1.
        self.bound = 1.0 if max(setup.task.scores) <= 1.0 else max(setup.task.scores) * 1.01
        self.maximised = setup.task.line["goal"] == "maximize"

    def propose(self) -> Architecture:
        self.info = self.facade.ask()
        return configspace.architecture(self.setup.space, self.info.config)

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        cost = self.bound - score if self.maximised else -score
        info = self.info
        if not as_proposed:
            # The proposal itself stays without a result; what was evaluated in its place is told beside it.
            config = configspace.configuration(self.setup.space, self.space, self.setup.pool.architectures[at])
            info = TrialInfo(config=config, seed=info.seed)
        self.facade.tell(info, TrialValue(cost=cost), save=False)


METHODS = {"smac": Smac}
