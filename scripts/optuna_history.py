#!/usr/bin/env python3
"""Turns studies of Optuna into a history of Heirloom: JSON Lines of one space, a task a study, and the trials.

    pip install optuna
    python3 scripts/optuna_history.py sqlite:///studies.db history.jsonl --space mine/1
    python3 scripts/optuna_history.py journal.log history.jsonl --space mine/1 --study cats --study dogs --domain image --metric accuracy
    heirloom import history.jsonl

STORAGE is a URL as Optuna has it, or the file of a journal. Studies of several objectives are passed over with a word. A parameter that some trials lack
gets the condition that the others show (`momentum` where `optimizer` is `sgd`); where none does, it has to be left out (`--without`).
Ranges that differ between studies are joined. Pruned and failed trials stay such; values reported on the way become learning curves, and the time a trial
took its cost `train_s`.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

STATUS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
# Levels of a stepped range beyond which it is a real one.
MOST_LEVELS = 1_000


def slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "study"


def opened(storage: str):
    """The storage of a URL, or of a journal's file."""
    if "://" in storage:
        return optuna.storages.get_storage(storage)
    if not Path(storage).is_file():
        sys.exit(f"{storage}: there is no such file; a database is given by its URL: sqlite:///{storage}")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(storage))


def is_numeric(choices) -> bool:
    return all(isinstance(choice, (int, float)) and not isinstance(choice, bool) for choice in choices)


def range_of(name: str, distributions: list) -> dict:
    """One range that holds what all trials had."""
    kinds = {type(distribution) for distribution in distributions}
    if len(kinds) > 1:
        sys.exit(f"parameter {name!r} is of different kinds in different studies; leave it out with --without {name}")
    if kinds == {CategoricalDistribution}:
        choices = list(dict.fromkeys(choice for distribution in distributions for choice in distribution.choices))
        if is_numeric(choices):
            return {"kind": "levels", "values": sorted(choices)}
        return {"kind": "choice", "options": [str(choice) for choice in choices]}
    lo, hi = min(d.low for d in distributions), max(d.high for d in distributions)
    log = all(distribution.log for distribution in distributions)
    steps = {distribution.step for distribution in distributions}
    step = steps.pop() if len(steps) == 1 else None
    whole = kinds == {IntDistribution}
    if step and not (whole and step == 1) and (hi - lo) / step < MOST_LEVELS:
        n = round((hi - lo) / step)
        return {"kind": "levels", "values": [lo + i * step if whole else round(lo + i * step, 12) for i in range(n + 1)]}
    return {"kind": "int" if whole else "real", "lo": lo, "hi": hi, **({"log": True} if log else {})}


def value_of(kind: str, value):
    return str(value) if kind == "choice" else value


def condition(name: str, rows: list, ranges: dict) -> list | None:
    """The condition under which trials have a parameter; nothing where all have it, `None` where no other parameter tells."""
    having = [row for row in rows if name in row]
    lacking = [row for row in rows if name not in row]
    if not lacking:
        return []
    for other, found in ranges.items():
        if other == name or found["kind"] == "real" or not all(other in row for row in having):
            continue
        values = {value_of(found["kind"], row[other]) for row in having}
        if all(value_of(found["kind"], row[other]) not in values for row in lacking if other in row):
            return [{"param": other, "any_of": sorted(values, key=str)}]
    return None


def curve(trial: FrozenTrial) -> list:
    points = sorted((step, value) for step, value in trial.intermediate_values.items() if math.isfinite(value))
    # Steps are counted from one: what has been trained.
    first = 1 if points and points[0][0] == 0 else 0
    return [[step + first, value] for step, value in points if step >= 0]


def line_of(trial: FrozenTrial, study: str, task: str, args, metric: str, ranges: dict) -> dict:
    score = trial.value if trial.state == TrialState.COMPLETE else None
    points = curve(trial)
    status = STATUS[trial.state]
    if status == "complete" and (score is None or not math.isfinite(score)):
        status, score = "failed", None
    if status == "pruned" and points:
        score = points[-1][1]
    architecture = {name: value_of(ranges[name]["kind"], value) for name, value in trial.params.items() if name in ranges}
    line = {"type": "trial", "task": task, "space": args.space, "architecture": architecture, "split": "validation", "metric": metric}
    line |= {"source": f"optuna {study} #{trial.number}", "status": status}
    if score is not None:
        line["score"] = score
    if points:
        line |= {"curve": points, "fidelity": {"epochs": points[-1][0]}}
    if trial.duration is not None and status != "failed":
        line["costs"] = {"train_s": trial.duration.total_seconds()}
    attributes = {key: value for key, value in trial.user_attrs.items() if isinstance(value, (str, int, float, bool))}
    return line | ({"user_attrs": attributes} if attributes else {})


def lines(args) -> list[dict]:
    storage = opened(args.storage)
    names = args.study or optuna.study.get_all_study_names(storage)
    tasks, rows, studies, params, ranges_of = [], [], [], [], {}
    for name in names:
        study = optuna.load_study(study_name=name, storage=storage)
        if len(study.directions) > 1:
            print(f"{name}: passed over, it has {len(study.directions)} objectives", file=sys.stderr)
            continue
        trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state in STATUS and trial.params]
        studies.append((name, study, trials))
        params += [trial.params for trial in trials]
        for trial in trials:
            for param, distribution in trial.distributions.items():
                if param not in args.without:
                    ranges_of.setdefault(param, []).append(distribution)
    if not studies:
        sys.exit(f"{args.storage}: no study of one objective is there")
    ranges = {name: range_of(name, distributions) for name, distributions in ranges_of.items()}
    described = []
    for name, found in ranges.items():
        needs = condition(name, params, ranges)
        if needs is None:
            sys.exit(f"parameter {name!r} is missing in some trials, and no other parameter says in which; leave it out with --without {name}")
        described.append({"name": name, "range": found, **({"active_if": needs} if needs else {})})
    for name, study, trials in studies:
        metric = args.metric or (study.metric_names or ["objective"])[0]
        goal = "maximize" if study.direction == optuna.study.StudyDirection.MAXIMIZE else "minimize"
        tasks.append({"type": "task", "id": slug(name), "domain": args.domain, "metric": metric, "goal": goal})
        rows += [line_of(trial, name, slug(name), args, metric, ranges) for trial in trials]
    return [{"type": "space", "id": args.space, "params": described}, *tasks, *rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("storage", metavar="STORAGE")
    parser.add_argument("out", type=Path, metavar="FILE")
    parser.add_argument("--space", required=True, help="the id of the space, such as mine/1")
    parser.add_argument("--study", action="append", help="only this study; several times")
    parser.add_argument("--without", action="append", default=[], metavar="PARAM", help="leave this parameter out; several times")
    parser.add_argument("--metric", help="what the objective measures, where the studies do not say")
    parser.add_argument("--domain", default="tabular", choices=["image", "audio", "tabular", "text", "graph", "timeseries"])
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    written = lines(args)
    args.out.write_text("".join(json.dumps(line) + "\n" for line in written))
    print(f"{args.out}: {sum(line['type'] == 'task' for line in written)} studies, {sum(line['type'] == 'trial' for line in written)} trials")


if __name__ == "__main__":
    main()
