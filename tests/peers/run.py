"""Runs Heirloom and its peers side by side on a history: leave-one-task-out, as `heirloom bench` does it.

    sh setup.sh                                                      # once: installs the peers, each family by itself
    heirloom export history.jsonl.zst                                # any history will do; see also histories.py
    python run.py history.jsonl.zst --space nas-bench-graph/1 --history 500 --seeds 2 --heirloom path/to/heirloom --out out/

Goes on where a broken run ended. Writes `replays.jsonl`, `summary.json` and `table.md` into the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from families import FAMILIES, family_of
from results import Results, table

HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the history, .jsonl, .jsonl.gz or .jsonl.zst")
    parser.add_argument("--space", required=True, help="the space whose trials are replayed")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the results")
    parser.add_argument("--history", type=int, metavar="N", help="trials of each past task that are known; unless given, all")
    parser.add_argument("--seeds", type=int, default=2, help="how often everything is repeated, with other samples")
    parser.add_argument("--trials", type=int, default=64, help="trials of the new task")
    parser.add_argument("--task", action="append", default=[], help="a task to be new; unless given, all in turn")
    parser.add_argument("--method", action="append", default=[], help="a method; unless given, all that are set up but the slow ones")
    parser.add_argument("--heirloom", type=Path, help="the program; unless given, Heirloom itself does not take part")
    parser.add_argument("--label", default="heirloom", help="the name of the program in the results")
    parser.add_argument("--table", action="store_true", help="only write the table of what has been measured")
    return parser.parse_args()


def main() -> int:
    """Returns 1 if some replay failed."""
    args = arguments()
    setup: dict[str, Any] = {"file": str(args.file.resolve()), "space": args.space, "history": args.history,
                             "seeds": args.seeds, "trials": args.trials, "tasks": args.task}
    results = Results.start(args.out / "replays.jsonl", setup)
    failed = False
    if not args.table:
        for family, methods in wanted(args).items():
            failed |= run_family(family, methods, results.path, args)
    results = Results.open(results.path)
    seen = list(dict.fromkeys(one["method"] for one in results.replays))
    summaries = results.summary(seen)
    (args.out / "summary.json").write_text(json.dumps({"setup": setup, "methods": summaries}, indent=1) + "\n")
    text = table(summaries) if summaries else "nothing has been measured"
    (args.out / "table.md").write_text(text + "\n")
    print(text)
    return int(failed)


def wanted(args: argparse.Namespace) -> dict[str, list[str]]:
    """The methods by family: those asked for, or all that are set up."""
    methods = args.method or [
        method for family in FAMILIES.values() for method in family.methods
        if method not in family.slow
        and (family.module != "with_heirloom" or args.heirloom) and interpreter(family.environment).exists()]
    grouped: dict[str, list[str]] = {}
    for method in methods:
        grouped.setdefault(family_of(method), []).append(method)
    if "heirloom" in grouped and not args.heirloom:
        raise SystemExit("--method heirloom needs --heirloom PATH")
    return grouped


def interpreter(environment: str) -> Path:
    return HERE / ".venvs" / environment / "bin" / "python"


def run_family(family: str, methods: list[str], results: Path, args: argparse.Namespace) -> bool:
    """Whether something failed. One thread each, so that times compare."""
    python = interpreter(FAMILIES[family].environment)
    if not python.exists():
        raise SystemExit(f"{family} is not set up: run sh {HERE / 'setup.sh'} {FAMILIES[family].environment}")
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")}
    environment = {**os.environ, **threads, "HEIRLOOM": str(args.heirloom or ""), "HEIRLOOM_LABEL": args.label}
    command = [str(python), str(HERE / "worker.py"), "--results", str(results), "--family", family]
    for method in methods:
        command += ["--method", args.label if method == "heirloom" else method]
    return subprocess.run(command, env=environment, check=False).returncode != 0


if __name__ == "__main__":
    sys.exit(main())
