"""Checks of what the comparison rests on: `.venvs/common/bin/python -m unittest` in this folder."""

import itertools
import tempfile
import unittest
from pathlib import Path

import jsonl
import replay
from history import History
from isomorphs import EDGES, LINKS, OPS, nas_bench_201, nas_bench_graph
from results import Results, half_width
from space import Pool, Space

CELL_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
SPACE = {"type": "space", "id": "s/1", "params": [
    {"name": "op", "range": {"kind": "choice", "options": ["a", "b"]}},
    {"name": "width", "range": {"kind": "levels", "values": [16, 32, 64]}},
    {"name": "lr", "range": {"kind": "real", "lo": 1e-4, "hi": 1e-2, "log": True},
     "active_if": [{"param": "op", "any_of": ["a"]}]}]}


def trial(task: str, architecture: dict, score: float, **more) -> dict:
    return {"type": "trial", "task": task, "space": "s/1", "architecture": architecture, "split": "validation",
            "metric": "loss", "score": score, **more}


def history() -> History:
    tasks = [{"type": "task", "id": task, "domain": "tabular", "metric": "loss", "goal": "minimize"} for task in "xyz"]
    trials = [trial(task, {"op": "b", "width": width}, width / 10 + at)
              for at, task in enumerate("xy") for width in (16, 32, 64)]
    trials.append(trial("x", {"op": "a", "width": 16, "lr": 1e-3}, 9.0, split="test"))
    trials.append({**trial("x", {"op": "a", "width": 16, "lr": 1e-3}, 0.0), "status": "failed"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl.gz"
        jsonl.write(path, [SPACE, *tasks, *trials])
        return History(path, "s/1")


class Isomorphs(unittest.TestCase):
    def test_nas_bench_201_has_6466_unique_cells(self) -> None:
        cells = itertools.product(CELL_OPS, repeat=6)
        names = [name for name, _, _ in EDGES]
        unique = {nas_bench_201(dict(zip(names, cell)))["edge.1.0"] for cell in cells}
        self.assertEqual(len(unique), 6466)

    def test_nas_bench_graph_has_26206_networks_and_the_empty_one(self) -> None:
        names = ("link", "op1", "op2", "op3", "op4")
        written = ((link, *ops) for link in LINKS for ops in itertools.product(OPS, repeat=4))
        unique = {tuple(nas_bench_graph(dict(zip(names, one))).values()) for one in written}
        self.assertEqual(len(unique), 26_207)


class Replays(unittest.TestCase):
    def test_only_complete_validation_trials_count(self) -> None:
        found = history()
        self.assertEqual(list(found.tasks), ["x", "y"])
        self.assertEqual(found.tasks["x"].scores, [-1.6, -3.2, -6.4])

    def test_samples_are_repeatable_and_leave_the_new_task_out(self) -> None:
        found = history()
        first, again = found.sample(2, 3), found.sample(2, 3)
        self.assertEqual(first["x"].lines, again["x"].lines)
        self.assertEqual(len(first["x"].lines), 2)
        given = replay.setup(found, first, "x", 3, 64)
        self.assertEqual([known.task for known in given.past], ["y"])

    def test_regret_is_relative_to_the_median(self) -> None:
        found = history()
        given = replay.setup(found, found.sample(None, 0), "x", 0, 64)
        curve = replay.replay(WorstFirst(), given)
        # Scores -1.6, -3.2 (median), -6.4: the worst first, then the median.
        self.assertAlmostEqual(curve[0]["regret"], 3.0)
        self.assertAlmostEqual(curve[1]["regret"], 1.0)
        self.assertEqual([point["trials"] for point in curve], [1, 2])
        self.assertAlmostEqual(curve[1]["percentile"], 2 / 3)

    def test_what_is_tried_or_unknown_becomes_its_nearest_neighbour(self) -> None:
        space = Space(SPACE)
        members = [{"op": "a", "width": 16, "lr": 1e-4}, {"op": "a", "width": 16, "lr": 1e-2}, {"op": "b", "width": 64}]
        pool = Pool(space, members, 0)
        self.assertEqual(pool.place(members[1]), (1, True))
        self.assertEqual(pool.place({"op": "a", "width": 16, "lr": 2e-3}), (1, False))
        pool.tried[1] = True
        self.assertEqual(pool.place(members[1]), (0, False))

    def test_a_pool_grows_by_what_is_measured_beyond_it(self) -> None:
        pool = Pool(Space(SPACE), [{"op": "a", "width": 16, "lr": 1e-4}, {"op": "b", "width": 64}], 0)
        new = {"op": "a", "width": 32, "lr": 1e-3}
        self.assertEqual([pool.also(new), pool.also(new), pool.also(pool.architectures[1])], [2, 2, 1])
        self.assertEqual(pool.architectures[2:], [new])
        self.assertEqual(list(pool.tried), [False, True, True])
        self.assertEqual(pool.place(new), (0, False))

    def test_inactive_parameters_are_left_out_of_proposals(self) -> None:
        space = Space(SPACE)
        self.assertEqual(space.from_peer({"op": "b", "width": 2, "lr": 1e-3}), {"op": "b", "width": 64})
        self.assertEqual(space.to_peer({"op": "b", "width": 64}), {"op": "b", "width": 2, "lr": 1e-3})


class Reports(unittest.TestCase):
    def test_the_interval_agrees_with_scipy(self) -> None:
        # scipy.stats.t.interval(0.95, 9, loc=5.5, scale=scipy.stats.sem(range(1, 11))) is (3.3342, 7.6658).
        self.assertAlmostEqual(half_width([float(n) for n in range(1, 11)]), 2.1658, places=2)

    def test_a_broken_run_goes_on(self) -> None:
        setup = {"file": "f", "space": "s/1", "history": None, "seeds": 1, "trials": 2, "tasks": []}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out" / "replays.jsonl"
            point = {"trials": 1, "regret": 0.5, "percentile": 0.9, "ask_s": 0.0}
            Results.start(path, setup).add("random", 0, "x", [point], 0.0, 0.0)
            again = Results.start(path, {**setup, "seeds": 2})
            self.assertTrue(again.has("random", 0, "x"))
            self.assertFalse(again.has("random", 1, "x"))
            self.assertEqual(again.summary(["random"])[0]["mean_regret"], 0.5)
            with self.assertRaises(SystemExit):
                Results.start(path, {**setup, "space": "other/1"})


class WorstFirst:
    """Proposes the worst, then the second worst; the third never."""

    def __init__(self) -> None:
        self.next = [2, 1, 0]

    def propose(self) -> int:
        return self.next.pop(0)

    def observe(self, at: int, score: float, as_proposed: bool) -> None:
        pass


if __name__ == "__main__":
    unittest.main()
