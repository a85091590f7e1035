# Choose the Python that builds .venv. Sourced by environment.sh; sets `python`, or stops with one line.
# PYTHON, when set, is the only candidate.

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

can_build_environments() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

choose_python() {
    python=''
    without_venv=''
    for candidate in ${PYTHON:+"$PYTHON"} $([ -n "${PYTHON:-}" ] || echo python3 python3.13 python3.12 python3.11); do
        fits "$candidate" || continue
        if can_build_environments "$candidate"; then
            python=$candidate
            return 0
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        name=${without_venv##*/}
        stop "$without_venv cannot build environments (its venv or ensurepip module is missing). Run: apt-get install ${name}-venv"
    fi
    if [ -n "${PYTHON:-}" ]; then
        stop "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that runs. Name another, or leave PYTHON out."
    fi
    stop "found no Python 3.11, 3.12 or 3.13. Run: apt-get install python3 python3-venv (or name yours: make lab PYTHON=/path/to/python3.12)"
}
