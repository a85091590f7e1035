#!/bin/sh
# Run the tests marked `torture`, two at a time, with a line for each that has ended: it takes hours, and progress is seen.
# Pytest's status 5 (nothing collected) is said plainly instead of failing.
set -u

.venv/bin/python -m pytest -m torture --timeout 0 -n 2 -v tests
status=$?
if [ $status -eq 5 ]; then
    echo "make torture: no test is marked torture yet."
    exit 0
fi
exit $status
