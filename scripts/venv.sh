# Sourced by the other scripts, in the root of the repository: the virtual environment that wheels are fetched with.

fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$1" >&2
    exit 1
}

# Makes .venv unless it is there.
make_venv() {
    [ ! -x .venv/bin/pip ] || return 0
    command -v python3 >/dev/null || fail "python3 is missing; on Debian: apt-get install python3 python3-venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "$(python3 --version) is too old, torch needs Python 3.10 or later"
    # Without Debian's python3-venv this leaves a folder without pip, which the next run makes anew.
    python3 -m venv .venv || fail "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv"
}

pip() { .venv/bin/pip --disable-pip-version-check "$@"; }
