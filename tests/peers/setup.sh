#!/bin/sh
# Installs the peers from the Python registry, each family into an environment of its own, for their pins contradict each other.
# All of them, or those named: sh setup.sh common optuna. PYTHON chooses the interpreter (3.11 was used).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}
[ $# -gt 0 ] || set -- common optuna synetune smac openbox
failed=
for name in "$@"; do
    venv="$here/.venvs/$name"
    list="$here/requirements/$name.txt"
    [ -f "$list" ] || { echo "no environment $name; see $here/requirements" >&2; exit 2; }
    echo "== $name"
    "$python" -m venv "$venv"
    # One that does not install must not keep the others away.
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$list"; then
        rm -rf "$venv"
        failed="$failed $name"
    fi
done
[ -z "$failed" ] || { echo "could not be installed:$failed" >&2; exit 1; }
