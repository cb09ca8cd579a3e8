"""The main job, one way round, on real data. Called by `make demo`; needs nothing but Python's own library."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile

HEIRLOOM, CACHE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
BASE = os.path.join(CACHE, "demo-base")
WHEELS = os.path.join(CACHE, "wheels")
ENVIRONMENT = {**os.environ, "HEIRLOOM_BASE": "sled://" + BASE, "HEIRLOOM_DATA": WHEELS}
SPACE = "nas-bench-graph/1"


def step(number, title):
    """A heading, with the command line that the user could have written."""
    print(f"\n\033[1m{number}. {title}\033[0m" if sys.stdout.isatty() else f"\n{number}. {title}", flush=True)


def run(*arguments):
    """Runs heirloom so that its progress bars show, and shows what it says."""
    print("$ heirloom " + " ".join(arguments), flush=True)
    subprocess.run([HEIRLOOM, *arguments], env=ENVIRONMENT, check=True)


def ask(*arguments):
    """Runs heirloom and reads its JSON."""
    output = subprocess.run(
        [HEIRLOOM, "--json", *arguments], env=ENVIRONMENT, check=True, stdout=subprocess.PIPE
    ).stdout
    return json.loads(output)


def cells():
    """Two tables out of scikit-learn's wheel: cells with the diagnosis to learn from, and others to tell it of."""
    wheel = next(os.path.join(WHEELS, name) for name in os.listdir(WHEELS) if name.startswith("scikit_learn"))
    lines = zipfile.ZipFile(wheel).read("sklearn/datasets/data/breast_cancer.csv").decode().splitlines()
    kinds = lines[0].split(",")[2:]
    rows = [line.rsplit(",", 1) for line in lines[1:]]
    head = ",".join(f"feature{at}" for at in range(1, 31)) + ",diagnosis\n"
    for name, part in (("cells.csv", rows[:400]), ("new-cells.csv", rows[400:])):
        with open(os.path.join(CACHE, name), "w") as file:
            file.write(head + "".join(f"{values},{kinds[int(kind)]}\n" for values, kind in part))
    return os.path.join(CACHE, "cells.csv"), os.path.join(CACHE, "new-cells.csv")


def query(question):
    """Starts the server on a free port and puts one question to it."""
    server = subprocess.Popen(
        [HEIRLOOM, "--json", "serve", "--listen", "127.0.0.1:0"], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    try:
        address = json.loads(server.stdout.readline())["listening"]
        url = address + "/v1/recommendations"
        print(f"$ curl -X POST {url} -H 'content-type: application/json' -d '{json.dumps(question)}'", flush=True)
        times = []
        for _ in range(2):
            start = time.monotonic()
            request = urllib.request.Request(
                url, json.dumps(question).encode(), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request) as response:
                answer = json.load(response)
            times.append(time.monotonic() - start)
        return answer, times
    finally:
        server.terminate()
        server.wait()


def main():
    begin = time.monotonic()
    shutil.rmtree(BASE, ignore_errors=True)
    wheel = next(os.path.join(WHEELS, name) for name in os.listdir(WHEELS) if name.startswith("nas_bench_graph"))

    step(1, "A history goes in: nine tasks on graphs, 26,206 architectures each")
    run("import", wheel)

    step(2, "Zero-shot: what should `photo` try first? Asked of the eight other tasks, checked against the table")
    photo = ("recommend", "--task", "photo", "--space", SPACE, "--exclude-task", "photo", "-k", "10", "--true-rank")
    run(*photo[:-3], "-k", "5", "--true-rank")
    zero_shot = ask(*photo)

    step(3, "A study replayed from the table: 16 trials, each proposal learning from the ones before")
    replay = ask("study", "--task", "photo", "--space", SPACE, "--table", "--top", "16")
    regrets = [point["regret"] for point in replay["report"]["curve"]]
    print("regret after 1, 2, 4, 8, 16 trials:", " ".join(f"{regrets[k - 1]:.2f}" for k in (1, 2, 4, 8, 16)))

    step(4, "Real training: of 500 convolutional networks for handwritten digits the top 3 are trained")
    run("study", "--task", "digits", "--space", "chain-cnn/1", "--train", "--top", "3")

    step(5, "The results are history now: the next recommendation cites them")
    again = ask("recommend", "--task", "digits", "--space", "chain-cnn/1", "-k", "3")
    for ranked in again["ranked"]:
        print(f"  {ranked['mean']:+.2f} +- {ranked['std']:.2f}  {ranked['why']}")
        print(f"      evidence: {', '.join(ranked['evidence'])}")

    step(6, "A second data set starts from the first: wine, then breast_cancer")
    for task in ("wine", "breast_cancer"):
        run("study", "--task", task, "--space", "mlp/1", "--train", "--top", "3")
    second = ask("recommend", "--task", "breast_cancer", "--space", "mlp/1", "-k", "1")

    step(7, "A table of one's own is learned from, and rows that no network has seen are predicted")
    known, new = cells()
    run("study", "--task", "cells", "--from", known, "--label", "diagnosis", "--space", "mlp/1", "--train", "--top", "2")
    run("predict", "--task", "cells", "--data", new)
    predicted = ask("predict", "--task", "cells", "--data", new)

    step(8, "The same over REST")
    answer, times = query({"task": "photo", "space": SPACE, "k": 3, "history": {"exclude_tasks": ["photo"]}})
    print("  " + json.dumps(answer["ranked"][0]["architecture"]))

    ranks = zero_shot["true_ranks"]
    best = min(rank["rank"] for rank in ranks["ranks"])
    digits = ask("recommend", "--task", "digits", "--space", "chain-cnn/1", "-k", "1")
    status = ask("status")
    rows = [
        ("trials in the base", f"{status['trials']:,} of {status['tasks']} tasks"),
        ("photo, best of 10 recommended unseen", f"rank {best:,} of {ranks['measured']:,}"),
        ("photo, regret after 16 looked-up trials", f"{regrets[15]:.2f} (1 is the median architecture, 0 the best)"),
        ("digits, networks trained of 500 ranked", f"{digits['own_trials']}"),
        ("breast_cancer rests on", ", ".join(share["task"] for share in second["history"])),
        ("new cells, predicted rightly", f"{predicted['evaluation']['accuracy']:.1%} of {len(predicted['predictions'])}"),
        ("REST answer, first / next", f"{times[0] * 1000:.0f} ms / {times[1] * 1000:.0f} ms"),
        ("all of this took", f"{time.monotonic() - begin:.0f} s"),
    ]
    print("\n" + "\n".join(f"  {name:<42}{value}" for name, value in rows))
    print(
        f"""
Try next:
  export HEIRLOOM_BASE=sled://{BASE} HEIRLOOM_DATA={WHEELS}
  {os.path.relpath(HEIRLOOM)} status
  {os.path.relpath(HEIRLOOM)} study --task iris --space mlp/1 --train --top 3
  {os.path.relpath(HEIRLOOM)} import YOUR-HISTORY.jsonl       (the format is in README.md)
  {os.path.relpath(HEIRLOOM)} serve"""
    )


main()
