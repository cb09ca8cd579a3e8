#!/usr/bin/env bash
# Brings the libtorch that tch is made for, and points .libtorch to it. Quick when it is there already.
#
# Without LIBTORCH set, the torch wheel is installed into .venv: with all its CUDA parts where there is an NVIDIA GPU,
# else only with what libtorch_cpu.so itself needs. To use a torch of your own (release 2.11.x), of which nothing is
# downloaded then:
#
#   export LIBTORCH=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')
#
# Keep it set while building, or let this script point .libtorch to it once.
set -euo pipefail
[ -z "${LIBTORCH:-}" ] || LIBTORCH=$(realpath -sm "$LIBTORCH") # before the folder changes
cd "$(dirname "$0")/.."
. scripts/venv.sh

TORCH_VERSION=2.11.0 # the release that tch 0.24.0 is made for

# Why a folder is no libtorch of the right release; nothing if it is one. torch-sys itself does not look into a wheel.
wrong() {
    local found=""
    if [ ! -e "$1/lib/libtorch.so" ]; then
        echo "$1 has no lib/libtorch.so; LIBTORCH must name the folder of a torch $TORCH_VERSION"
        return
    elif [ -f "$1/version.py" ]; then # of a wheel
        found=$(sed -n "s/^__version__ = ['\"]\([^'\"]*\)['\"].*/\1/p" "$1/version.py")
    elif [ -f "$1/build-version" ]; then # of the zip for C++
        found=$(cat "$1/build-version")
    fi
    case "$found" in
        "${TORCH_VERSION%.*}".*) ;;
        "") echo "$1 does not say its release, in version.py or build-version; tch needs $TORCH_VERSION" ;;
        *) echo "$1 is torch $found, tch needs $TORCH_VERSION" ;;
    esac
}

# The shared libraries that one of libtorch's own does not find.
missing() { ldd "$1" | sed -n 's/^\s*\(\S*\) => not found$/\1/p'; }

has_gpu() { [ -e /dev/nvidia0 ] || nvidia-smi >/dev/null 2>&1; }

# Whether .libtorch needs nothing more. A torch of the user's own is left as it is; ours gets its CUDA parts as soon as
# there is a GPU.
ready() {
    [ -e .libtorch ] && [ -z "$(wrong .libtorch)" ] || return 1
    case "$(readlink -f .libtorch)" in "$PWD"/.venv/*) ;; *) return 0 ;; esac
    [ -z "$(missing .libtorch/lib/libtorch_cpu.so)" ] || return 1
    ! has_gpu || [ ! -e .libtorch/lib/libtorch_cuda.so ] || [ -z "$(missing .libtorch/lib/libtorch_cuda.so)" ]
}

if [ -n "${LIBTORCH:-}" ] && [ "$(readlink -f "$LIBTORCH")" != "$(readlink -f .libtorch)" ]; then
    reason=$(wrong "$LIBTORCH")
    [ -z "$reason" ] || fail "$reason"
    ln -sfn "$LIBTORCH" .libtorch
    printf 'libtorch: using %s\n' "$LIBTORCH"
    exit 0
fi
! ready || exit 0

make_venv
torch=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch
if has_gpu; then
    printf 'libtorch: installing torch %s with its CUDA parts (several GB)\n' "$TORCH_VERSION"
    pip install --quiet "torch==$TORCH_VERSION"
else
    printf 'libtorch: installing torch %s for the CPU (about 550 MB)\n' "$TORCH_VERSION"
    pip install --quiet --no-deps "torch==$TORCH_VERSION"
    # Where the wheel is built with CUDA, libtorch_cpu.so asks for CUDA's run time and profiler even on the CPU.
    if [ -n "$(missing "$torch/lib/libtorch_cpu.so")" ]; then
        cuda=$(sed -n 's/^Requires-Dist: cuda-toolkit\[.*\]==\([0-9.]*\).*/\1/p' "$torch-$TORCH_VERSION"*.dist-info/METADATA)
        [ -n "$cuda" ] || fail "torch's metadata does not say which cuda-toolkit it needs"
        pip install --quiet --no-warn-conflicts "cuda-toolkit[cudart,cupti]==$cuda"
    fi
fi
reason=$(wrong "$torch")
[ -z "$reason" ] || fail "$reason"
lacks=$(missing "$torch/lib/libtorch_cpu.so")
[ -z "$lacks" ] || fail "libtorch_cpu.so does not find ${lacks//$'\n'/, }"
ln -sfn "$torch" .libtorch
