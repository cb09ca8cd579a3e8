#!/usr/bin/env bash
# Brings the libtorch that tch is made for, and points .libtorch to it. Quick when it is there already.
#
# Without LIBTORCH set, the torch wheel is installed into .venv: with all its CUDA parts where there is an NVIDIA GPU,
# else only with what libtorch_cpu.so itself needs. To use a torch of your own (release 2.11.x):
#
#   export LIBTORCH=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH_VERSION=2.11.0 # the release that tch 0.24.0 is made for

fail() {
    printf 'libtorch: %s\n' "$1" >&2
    exit 1
}

# The folder must have the library and be of the right release.
check() {
    [ -e "$1/lib/libtorch.so" ] || fail "$1 has no lib/libtorch.so; LIBTORCH must name the folder of a torch $TORCH_VERSION"
    local found=""
    if [ -f "$1/version.py" ]; then
        found=$(sed -n "s/^__version__ = ['\"]\([^'\"]*\)['\"].*/\1/p" "$1/version.py")
    elif [ -f "$1/build-version" ]; then
        found=$(cat "$1/build-version")
    fi
    case "$found" in
        "" | "$TORCH_VERSION"*) ;;
        *) fail "$1 is torch $found, tch needs $TORCH_VERSION" ;;
    esac
}

if [ -n "${LIBTORCH:-}" ] && [ "$(readlink -f "$LIBTORCH")" != "$(readlink -f .libtorch)" ]; then
    check "$LIBTORCH"
    ln -sfn "$LIBTORCH" .libtorch
    printf 'libtorch: using %s\n' "$LIBTORCH"
    exit 0
fi
if [ -e .libtorch/lib/libtorch.so ] && (check "$(readlink -f .libtorch)") 2>/dev/null; then
    exit 0
fi

command -v python3 >/dev/null || fail "python3 is missing; on Debian: apt-get install python3 python3-venv"
if [ ! -x .venv/bin/pip ]; then
    python3 -m venv .venv || fail "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv"
fi
pip() { .venv/bin/pip --disable-pip-version-check "$@"; }

if [ -e /dev/nvidia0 ] || nvidia-smi >/dev/null 2>&1; then
    printf 'libtorch: installing torch %s with its CUDA parts\n' "$TORCH_VERSION"
    pip install --quiet "torch==$TORCH_VERSION"
else
    printf 'libtorch: installing torch %s for the CPU (about 560 MB)\n' "$TORCH_VERSION"
    pip install --quiet --no-deps "torch==$TORCH_VERSION"
    # The wheel is built with CUDA: libtorch_cpu.so asks for its run time and its profiler even on the CPU.
    cuda=$(sed -n 's/^Requires-Dist: cuda-toolkit\[.*\]==\([0-9.]*\).*/\1/p' .venv/lib/python3*/site-packages/torch-*.dist-info/METADATA)
    [ -z "$cuda" ] || pip install --quiet --no-warn-conflicts "cuda-toolkit[cudart,cupti]==$cuda"
fi
torch=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch
check "$torch"
ln -sfn "$torch" .libtorch
missing=$(ldd .libtorch/lib/libtorch_cpu.so | sed -n 's/^\s*\(\S*\) => not found$/\1/p')
[ -z "$missing" ] || fail "libtorch_cpu.so does not find $missing"
