"""What every notebook must keep to: format, ids, short cells, nothing left over from a session.

Section:
    All sections.
"""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat

from lab_support.authoring.build import WIDGET_MIME
from lab_support.authoring.findings import Finding
from lab_support.authoring.regions import BEGIN, END, RegionError, blank_source, has_region
from lab_support.notebooks import Cell, Notebook, NotebookError, read_notebook

LONGEST_CELL_LINES = 15
"""Lines of code in one cell; blank lines and solution markers do not count."""


def read_or_report(path: Path, findings: list[Finding], shown: str) -> Notebook | None:
    """Read a notebook; one that cannot be read becomes a finding."""
    try:
        return read_notebook(path)
    except NotebookError as error:
        findings.append(Finding(shown, error.problem.rstrip("."), "It is not looked at further."))
        return None


def lesson_findings(lesson: Notebook, shown: str) -> Iterator[Finding]:
    """Yield what is wrong with a lesson's file."""
    yield from _common(lesson, shown)
    for cell in lesson.code():
        if has_region(cell.source):
            yield Finding(
                f"{shown}, cell {cell.id}", "a lesson holds a solution marker", f"Remove {BEGIN} and {END}."
            )
        if any(WIDGET_MIME in output.get("data", {}) for output in cell.content.get("outputs", ())):
            yield Finding(
                f"{shown}, cell {cell.id}", "an output is a widget that no other session can show", _TIDY
            )


def solution_findings(solution: Notebook, shown: str) -> Iterator[Finding]:
    """Yield what is wrong with a solution's file."""
    yield from _common(solution, shown)
    if any(cell.content.get("outputs") or cell.content.get("execution_count") for cell in solution.code()):
        yield Finding(shown, "it holds outputs or execution counts", _TIDY)
    for cell in solution.cells:
        yield from _marker_findings(cell, f"{shown}, cell {cell.id}")


_TIDY = "`lab build` tidies it."


def _common(notebook: Notebook, shown: str) -> Iterator[Finding]:
    if "widgets" in notebook.content.get("metadata", {}):
        yield Finding(shown, "it holds the saved state of widgets", _TIDY)
    yield from _id_findings(notebook, shown)
    for cell in notebook.code():
        yield from _length_findings(cell, f"{shown}, cell {cell.id}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about ids, which have findings of their own
            nbformat.validate(copy.deepcopy(notebook.content))
    except nbformat.ValidationError as error:
        broken = str(error).splitlines()[0]
        yield Finding(shown, f"it breaks Jupyter's own rules: {broken}", "Open and save it in JupyterLab.")


def _length_findings(cell: Cell, shown: str) -> Iterator[Finding]:
    """Yield a finding for a cell too long to read at a glance; a work cell holds a whole answer."""
    if cell.name is not None and cell.name.role == "work":
        return
    lines = sum(line.strip() not in ("", BEGIN, END) for line in cell.source.splitlines())
    if lines > LONGEST_CELL_LINES:
        yield Finding(shown, f"it has {lines} lines of code; {LONGEST_CELL_LINES} is the most", "Split it.")


def _id_findings(notebook: Notebook, shown: str) -> Iterator[Finding]:
    if any(not cell.id for cell in notebook.cells):
        yield Finding(shown, "a cell has no id", "Give every cell an id by hand, as in 13-1-2-work.")
    for cell_id, times in Counter(cell.id for cell in notebook.cells if cell.id).items():
        if times > 1:
            yield Finding(
                shown, f"{times} cells have the id {cell_id}", "Ids must differ: rename all but one."
            )


def _marker_findings(cell: Cell, shown: str) -> Iterator[Finding]:
    if cell.kind != "code":
        if has_region(cell.source):
            yield Finding(shown, "a solution marker stands outside code", "Move it into a code cell.")
        return
    try:
        blank_source(cell.source)
    except RegionError as error:
        yield Finding(shown, str(error), f"Pair up {BEGIN} and {END}.")
