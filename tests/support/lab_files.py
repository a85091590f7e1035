"""Notebook files for tests: made from the real solution of 13.1, with cells changed, added or left out."""

import copy
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOLUTION = ROOT / "solutions" / "13_01_sqlalchemy_orm.ipynb"
QUICK = ("13.1.4", "13.1.5")
"""Two exercises whose checks take less than a tenth of a second."""


def code(cell_id: str, source: str, **metadata: Any) -> dict[str, Any]:
    """Return a code cell."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id,
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def notebook(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a notebook of format 4.5."""
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def save(path: Path, content: Any) -> Path:
    """Write a notebook, or any JSON, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def solution_cells(keep: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return the code cells of the solution: all of them, or the start and those of some exercises."""
    cells = json.loads(SOLUTION.read_text("utf-8"))["cells"]
    wanted = [cell for cell in cells if cell["cell_type"] == "code"]
    if keep is not None:
        prefixes = tuple(f"{exercise.replace('.', '-')}-" for exercise in keep)
        wanted = [cell for cell in wanted if cell["id"].startswith((*prefixes, "13-1-start"))]
    return [{**copy.deepcopy(cell), "source": "".join(cell["source"])} for cell in wanted]


def lab_file(
    path: Path,
    *,
    keep: Collection[str] | None = QUICK,
    change: Mapping[str, str] | None = None,
    first: str = "",
    leave_out: Collection[str] = (),
) -> Path:
    """Save a lab: the solution's cells with some sources changed by cell id, and a student's cell after the start.

    Args:
        keep: Exercises to keep, or None for all.
        change: New sources by cell id.
        first: Source of a cell of the student's own, put after the start cell.
        leave_out: Ids of cells that the student deleted.
    """
    cells = [cell for cell in solution_cells(keep) if cell["id"] not in leave_out]
    for cell in cells:
        if change and cell["id"] in change:
            cell["source"] = change[cell["id"]]
    if first:
        cells.insert(1, code("a-cell-of-my-own", first))
    return save(path, notebook(cells))
