#!/bin/sh
# Makes .venv from requirements.lock, so that a machine with nothing but Python 3.11+ and make can run everything.
# Does nothing when .venv is already what the lock file asks for. Use another Python with PYTHON=/path/to/python.
set -u
cd "$(dirname "$0")/.." || exit 1

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent "$PYTHON" && echo "$PYTHON" && return
        version=$("$PYTHON" --version 2>&1) || fail "PYTHON=$PYTHON does not run; name a Python 3.11 or newer there."
        fail "Gatework needs Python 3.11 or newer, and PYTHON=$PYTHON is $version."
    fi
    for name in python3.13 python3.12 python3.11 python3; do
        recent "$name" && echo "$name" && return
    done
    version=$(python3 --version 2>&1) || version="no Python 3"
    fail "Gatework needs Python 3.11 or newer, and this machine has $version: install one," \
        "or name it with 'make PYTHON=/path/to/python3.11 ...'."
}

# run WHAT COMMAND...: quiet when it works; when it does not, its last lines and one sentence on what to do.
run() {
    what=$1
    shift
    output=$("$@" 2>&1) && return
    printf '%s\n' "$output" | tail -n 8 >&2
    case $output in
        *"No space left"*) fail "$what failed: the disk is full. Free about 1.5 GB, then run the same command again." ;;
        *"Permission denied"* | *"Read-only file system"*)
            fail "$what failed: this folder cannot be written to. Use a copy of your own, then run the same command again." ;;
        *"Connection"* | *"resolve"* | *"timed out"*)
            fail "$what failed: the package index was not reached. Check the network, then run the same command again." ;;
        *) fail "$what failed; the lines above say why. Mend that, then run the same command again." ;;
    esac
}

# What a finished .venv was made of. The folder is part of it because a virtual environment cannot be moved.
packages_wanted=$(pwd; cat requirements.lock scripts/setup.sh) || exit 1
packages_wanted=$(printf '%s' "$packages_wanted" | cksum)
gatework_wanted=$(cksum <pyproject.toml) || exit 1
made_of() { [ -x .venv/bin/python ] && [ "$(cat ".venv/$1.made" 2>/dev/null)" = "$2" ]; }
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

# Without PYTHON any .venv will do; with it, one of that very version.
version_of() { "$1" -c 'import sys; print(sys.version)' 2>&1; }
other_python() { [ -n "${PYTHON:-}" ] && [ "$(version_of "$PYTHON")" != "$(version_of .venv/bin/python)" ]; }

if ! made_of packages "$packages_wanted" || other_python; then
    python=$(find_python) || exit 1
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "This Python ($python) has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)."
    echo "Setting up .venv from requirements.lock: about 350 MB to fetch, once; a minute or two."
    run "Clearing the old .venv" rm -rf .venv
    run "Creating .venv" "$python" -m venv .venv
    run "Installing requirements.lock" \
        pip install --quiet --no-compile --no-deps --only-binary :all: --require-hashes -r requirements.lock
    # By all cores at once, where pip takes one. What does not compile is a template or an example, as pip knows, too.
    .venv/bin/python -m compileall -qq -j 0 .venv/lib >/dev/null 2>&1
    run "Finishing .venv" sh -c 'printf "%s\n" "$1" >.venv/packages.made' sh "$packages_wanted"
fi

if ! made_of gatework "$gatework_wanted"; then
    run "Installing gatework itself" pip install --quiet --no-deps --no-build-isolation --editable .
    run "Finishing .venv" sh -c 'printf "%s\n" "$1" >.venv/gatework.made' sh "$gatework_wanted"
fi
