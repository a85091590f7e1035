#!/bin/sh
# Make .venv ready: `environment.sh lab` for students, `environment.sh test` with the developers' tools on top.
# When nothing changed since the last time, this reads one small file and starts no Python.
set -eu

profile=$1
stamp=.venv/.ready-for-$profile

stop() {
    echo "make $profile: $1" >&2
    exit 1
}

. scripts/python.sh

fingerprint() { # what .venv was made from: folder (an editable install knows it), Python, needs and pins
    pwd -P
    cat pyproject.toml constraints.txt .venv/pyvenv.cfg 2>/dev/null | cksum
}

is_ready() {
    [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]
}

asked_for_another_python() {
    [ -n "${PYTHON:-}" ] || return 1
    wanted=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 0
    ! grep -q "^version = $wanted\." .venv/pyvenv.cfg 2>/dev/null
}

was_moved() {
    for made in .venv/.ready-for-*; do
        [ -f "$made" ] && [ "$(head -n 1 "$made")" != "$(pwd -P)" ] && return 0
    done
    return 1
}

is_usable() {
    [ -x .venv/bin/python ] && fits .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1
}

build() {
    choose_python
    echo "make $profile: building .venv with $python ..."
    rm -rf .venv
    "$python" -m venv .venv || stop "'$python -m venv .venv' failed. Read the lines above; is this folder writable?"
}

install() {
    case $profile in
        lab) wanted='.[postgres]' ;;
        test) wanted='.[dev]' ;;
        *) stop "there is no profile '$profile'; say lab or test" ;;
    esac
    echo "make $profile: installing what pyproject.toml asks for, in the versions of constraints.txt ..."
    PIP_USER=0 .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        --constraint constraints.txt --editable "$wanted" ||
        stop "the installation did not finish. Read pip's last lines above, mend the cause, run 'make $profile' again."
}

if asked_for_another_python; then
    build
elif is_ready; then
    exit 0
elif ! is_usable || was_moved; then
    build
fi
rm -f .venv/.ready-for-*
install
fingerprint >"$stamp"
[ "$profile" = lab ] || fingerprint >.venv/.ready-for-lab
