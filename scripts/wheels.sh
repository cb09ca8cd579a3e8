#!/usr/bin/env bash
# Fetches the two wheels whose data the demo and the tests use into .cache/wheels: the history of NAS-Bench-Graph and the
# small data sets of scikit-learn. Nothing of them is installed. Quick when they are there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

wheels=.cache/wheels
mkdir -p "$wheels"
fetch() { # name version file-prefix
    if compgen -G "$wheels/$3-$2-*.whl" >/dev/null; then
        return
    fi
    make_venv
    printf 'wheels: fetching %s %s\n' "$1" "$2"
    pip download --quiet --no-deps --only-binary=:all: -d "$wheels" "$1==$2"
}
fetch nas-bench-graph 1.4.0 nas_bench_graph
# The last release that also runs on Python 3.10.
fetch scikit-learn 1.7.2 scikit_learn
