#!/bin/sh
# Every check of the project, in order, stopping at the first that fails. Pytest's closing lines are shown again last.
set -eu

python=.venv/bin/python
closing=$(mktemp -d)
trap 'rm -rf "$closing"' EXIT

step() {
    title=$1
    shift
    printf '\n=== %s\n' "$title"
    "$@" || stop_at "$title"
}

stop_at() {
    printf '\nmake test: stopped at "%s" (status %s). Mend it, then run make test again.\n' "$1" "$?" >&2
    exit 1
}

pytest_step() { # the pipe must not hide pytest's exit status, so it goes through a file
    title=$1
    name=$2
    shift 2
    printf '\n=== %s\n' "$title"
    { $python -m pytest "$@" 2>&1 && echo 0 >"$closing/status" || echo $? >"$closing/status"; } | tee "$closing/$name"
    [ "$(cat "$closing/status")" = 0 ] || (exit "$(cat "$closing/status")") || stop_at "$title"
}

step "style: ruff check" $python -m ruff check .
step "format: ruff format" $python -m ruff format --check .
step "types: mypy --strict" $python -m mypy --strict
step "layers: import-linter" .venv/bin/lint-imports
pytest_step "tests" tests -n 2 tests
pytest_step "lessons and solutions, every cell" notebooks --nbval-lax --dist loadfile -n 2 notebooks solutions
step "labs agree with solutions: lab build --check" .venv/bin/lab build --check

printf '\n=== all passed\nnotebooks  %s\ntests      %s\n' "$(tail -n 1 "$closing/notebooks")" "$(tail -n 1 "$closing/tests")"
