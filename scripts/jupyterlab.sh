#!/bin/sh
# Give the student a copy of every lab in work/, then become JupyterLab on the first notebook. Token on.
set -eu

case ${PORT:-} in
    '' | *[!0-9]*)
        echo "make lab: PORT=${PORT:-} is not a port number. Try: make lab PORT=8899" >&2
        exit 1
        ;;
esac

.venv/bin/python -I lab_support/workbook/workfolder.py

set -- --port="$PORT" --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb --LabApp.news_url=None
[ "${BROWSER:-1}" != 0 ] || set -- "$@" --no-browser
[ "$(id -u)" != 0 ] || set -- "$@" --allow-root
case ${BROWSER:-} in
    0 | 1) unset BROWSER ;; # ours; any other value is the user's favourite program, which Jupyter opens
esac
exec .venv/bin/python -m jupyterlab "$@"
