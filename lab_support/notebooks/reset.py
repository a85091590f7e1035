"""Put a lab's cells back into the student's notebook, keeping a dated copy of what they had.

Section:
    All sections.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab_support.notebooks.cells import Notebook
from lab_support.notebooks.reading import NotebookError, read_notebook
from lab_support.notebooks.writing import write_notebook, write_text


@dataclass(frozen=True, slots=True)
class Restored:
    """A notebook that was put back, and the copy that was kept; no copy where there was no notebook."""

    notebook: Path
    kept: Path | None


def restore_exercise(lab: Path, work: Path, exercise: str, *, now: datetime) -> Restored:
    """Put back every cell of one exercise; a cell the student deleted returns to its place.

    Args:
        lab: The blank lab.
        work: The student's notebook.
        exercise: As in `13.1.2`.
        now: Dates the copy.

    Raises:
        NotebookError: A file cannot be read or written, or the lab has no such exercise.
    """
    if not work.exists():
        return restore_whole(lab, work, now=now)
    blank, own = read_notebook(lab), read_notebook(work)
    if all(cell.name is None or cell.name.exercise != exercise for cell in blank.cells):
        raise NotebookError(lab, f"has no exercise {exercise}. `lab progress` lists those there are.")
    kept = _keep_copy(work, now)
    write_notebook(work, {**own.content, "cells": _with_cells_of(exercise, blank, own)})
    return Restored(work, kept)


def restore_whole(lab: Path, work: Path, *, now: datetime) -> Restored:
    """Replace the student's notebook, whatever state it is in, by the blank lab.

    Raises:
        NotebookError: A file cannot be read or written.
    """
    read_notebook(lab)
    kept = _keep_copy(work, now) if work.exists() else None
    write_text(work, lab.read_text("utf-8"))
    return Restored(work, kept)


def _with_cells_of(exercise: str, blank: Notebook, own: Notebook) -> list[dict[str, Any]]:
    cells = [cell.content for cell in own.cells]
    before: str | None = None
    for cell in blank.cells:
        if cell.name is not None and cell.name.exercise == exercise:
            _put(cells, cell.content, after=before)
        if any(present.get("id") == cell.id for present in cells):
            before = cell.id
    return cells


def _put(cells: list[dict[str, Any]], wanted: dict[str, Any], *, after: str | None) -> None:
    ids = [cell.get("id") for cell in cells]
    if wanted["id"] in ids:
        cells[ids.index(wanted["id"])] = wanted
    else:
        cells.insert(ids.index(after) + 1 if after is not None else 0, wanted)


def _keep_copy(work: Path, now: datetime) -> Path:
    stamp = now.strftime("%Y-%m-%d_%H-%M-%S")
    kept, again = work.with_name(f"{work.stem}.{stamp}{work.suffix}"), 1
    while kept.exists():
        again += 1
        kept = work.with_name(f"{work.stem}.{stamp}_{again}{work.suffix}")
    try:
        shutil.copy2(work, kept)
    except OSError as error:
        with suppress(OSError):
            kept.unlink()
        reason = error.strerror or str(error)
        raise NotebookError(
            kept, f"could not be written ({reason}), so nothing was reset. Free space there."
        ) from None
    return kept
