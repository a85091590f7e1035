"""Set-up scripts on their own: a copy of them, with a stand-in for Python that writes a diary."""

from __future__ import annotations

import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Answers the questions that the scripts ask of a Python; `-m venv` makes a copy of itself in .venv/bin.
FAKE_PYTHON = """#!/bin/sh
echo "${0##*/} $*" >> "$DIARY"
case "$1 $2" in
    "-c import sys; sys.exit"*) exit "${FAKE_TOO_OLD:-0}" ;;
    "-c import ensurepip"*) exit "${FAKE_NO_VENV:-0}" ;;
    "-c import sys; print"*) echo "${FAKE_VERSION:-3.11}" ;;
    "-m venv")
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
        echo "version = ${FAKE_VERSION:-3.11}.9" > "$3/pyvenv.cfg" ;;
    "-m pip")
        case "$*" in *install*) exit "${FAKE_PIP_STATUS:-0}" ;; esac ;;
esac
"""


@dataclass
class Workbook:
    folder: Path
    programs: Path
    diary: Path

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", *words, cwd=self.folder, **environment)

    def run(self, *command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": f"{self.programs}", "DIARY": str(self.diary), "LC_ALL": "C.UTF-8", **environment}
        return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=20)

    def done(self, what: str) -> int:
        return sum(what in line for line in self.diary.read_text().splitlines()) if self.diary.exists() else 0


def add_python(workbook: Workbook, name: str, text: str = FAKE_PYTHON) -> Path:
    python = workbook.programs / name
    python.write_text(text)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python
