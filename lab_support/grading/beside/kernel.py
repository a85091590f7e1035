"""Run cells as a kernel does, and answer a judge about what they define.

Section:
    All sections; class grading.
"""

from __future__ import annotations

import asyncio
import sys

from lab_support.grading.beside.json_lines import JsonLines
from lab_support.grading.beside.student_process import serve
from lab_support.grading.cells import Shell, run_cell


def serve_cells(link: JsonLines) -> None:
    """Serve the judge until it hangs up."""
    shell = Shell.instance()
    sys.path.insert(0, "")  # as in a kernel
    loops = [asyncio.new_event_loop()]

    def run(source: str) -> str | None:
        if loops[-1].is_closed():
            loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])
        return run_cell(shell, loops[-1], source)

    serve(link, run, shell.user_ns)
