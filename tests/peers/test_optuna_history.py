"""Real studies of Optuna become a history: `.venvs/optuna/bin/python -m unittest test_optuna_history`."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

SCRIPT = Path(__file__).parents[2] / "scripts" / "optuna_history.py"


def objective(trial: optuna.Trial) -> float:
    layers = trial.suggest_int("layers", 1, 4)
    trial.suggest_categorical("width", [64, 16, 32])
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    rate = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    if optimizer == "sgd":
        trial.suggest_float("momentum", 0.5, 0.99)
    if trial.number == 3:
        raise ValueError("diverged")
    for epoch in range(5):
        trial.report(epoch + layers * rate, epoch)
        if trial.number == 7 and epoch == 2:
            raise optuna.TrialPruned()
    return layers - dropout


class OptunaHistory(unittest.TestCase):
    def setUp(self):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def filled(self, storage):
        for seed, name in enumerate(["cats & dogs", "birds"]):
            sampler = optuna.samplers.RandomSampler(seed=seed)
            study = optuna.create_study(study_name=name, storage=storage, direction="maximize", sampler=sampler)
            study.optimize(objective, n_trials=12, catch=(ValueError,))
        optuna.create_study(study_name="two", storage=storage, directions=["maximize", "minimize"])

    def history(self, storage: str, *options: str):
        out = self.folder / "history.jsonl"
        words = [sys.executable, str(SCRIPT), storage, str(out), "--space", "mine/1", *options]
        done = subprocess.run(words, capture_output=True, text=True)
        lines = [json.loads(line) for line in out.read_text().splitlines()] if done.returncode == 0 else []
        return lines, done.stderr

    def check(self, storage: str):
        lines, said = self.history(storage, "--metric", "accuracy")
        self.assertIn("two: passed over, it has 2 objectives", said)
        space, tasks, trials = lines[0], lines[1:3], lines[3:]
        ranges = {param["name"]: param for param in space["params"]}
        self.assertEqual(ranges["width"]["range"], {"kind": "levels", "values": [16, 32, 64]})
        self.assertEqual(ranges["lr"]["range"], {"kind": "real", "lo": 1e-5, "hi": 0.1, "log": True})
        self.assertEqual(ranges["dropout"]["range"]["values"], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
        self.assertEqual(ranges["momentum"]["active_if"], [{"param": "optimizer", "any_of": ["sgd"]}])
        self.assertEqual([task["id"] for task in tasks], ["cats-dogs", "birds"])
        self.assertEqual([len(trials), trials[3]["status"], trials[7]["status"]], [24, "failed", "pruned"])
        self.assertNotIn("score", trials[3])
        self.assertEqual([step for step, _ in trials[7]["curve"]], [1, 2, 3])
        self.assertEqual(trials[7]["score"], trials[7]["curve"][-1][1])
        self.assertEqual(trials[0]["fidelity"], {"epochs": 5})

    def test_a_database(self):
        storage = f"sqlite:///{self.folder / 'studies.db'}"
        self.filled(storage)
        self.check(storage)
        one, _ = self.history(storage, "--study", "birds")
        self.assertEqual([line["id"] for line in one if line["type"] == "task"], ["birds"])

    def test_a_journal(self):
        journal = str(self.folder / "journal.log")
        self.filled(JournalStorage(JournalFileBackend(journal)))
        self.check(journal)

    def test_what_cannot_be_told_is_refused_by_name(self):
        def unruly(trial):
            if trial.number % 3:
                trial.suggest_float("x", 0, 1)
            return trial.suggest_float("y", 0, 1)

        storage = f"sqlite:///{self.folder / 'studies.db'}"
        optuna.create_study(study_name="s", storage=storage).optimize(unruly, n_trials=9)
        _, said = self.history(storage)
        self.assertIn("parameter 'x' is missing in some trials", said)
        lines, _ = self.history(storage, "--without", "x")
        self.assertEqual(len(lines), 2 + 9)
        self.assertIn("there is no such file", self.history(str(self.folder / "none.db"))[1])


if __name__ == "__main__":
    unittest.main()
