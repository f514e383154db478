#!/bin/sh
# Makes a virtual environment with raisin in it, or brings it up to date:
#   scripts/venv.sh DIRECTORY run|test|dev [PYTHON]
# run: what raisin needs; test: also what its tests need; dev: also the linters. Quick where nothing changed.
# Plain sh, because this is the first thing that runs on a bare Debian or macOS.
set -eu
cd "$(dirname "$0")/.."
venv=$1 kind=$2 python=${3:-python3}
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }
complete() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() {
    some=
    for each in "$@"; do
        fits "$each" || continue
        some=$each
        if complete "$each"; then echo "$each"; return; fi
    done
    if [ -z "$some" ]; then
        echo "raisin: needs Python 3.10 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python3" >&2
    elif [ -e /etc/debian_version ]; then
        echo "raisin: $some lacks the module venv. Install it: sudo apt install python3-venv" >&2
    else
        echo "raisin: $some lacks the module venv or ensurepip. Install them, or name another: make PYTHON=/path/to/python3" >&2
    fi
    exit 1
}

current() {
    [ -f "$venv/.$kind" ] && fits "$venv/bin/python" || return 1
    for input in scripts/venv.sh requirements-*.txt raisin_*/pyproject.toml; do
        [ ! "$input" -nt "$venv/.$kind" ] || return 1
    done
}

if current; then exit 0; fi
if ! fits "$venv/bin/python" || ! complete "$venv/bin/python"; then
    found=$(find_python "$python" python3 python3.13 python3.12 python3.11 python3.10)
    echo "raisin: making $venv with $("$found" -V)"
    "$found" -m venv --clear "$venv"
fi
case $kind in
    run) extra= stamps="run" ;;
    test) extra="-r requirements-test.txt" stamps="run test" ;;
    dev) extra="-r requirements-dev.txt" stamps="run test dev" ;;
    *) echo "usage: scripts/venv.sh DIRECTORY run|test|dev [PYTHON]" >&2; exit 2 ;;
esac
echo "raisin: installing what is needed into $venv (once)"
# shellcheck disable=SC2086  # several words on purpose
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -e ./raisin_core -e ./raisin_broker -e ./raisin_worker -e ./raisin_cli $extra
for stamp in $stamps; do touch "$venv/.$stamp"; done
