"""The lessons as they are committed, how to run one freshly, and what a run claims."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
LESSONS = tuple(sorted(path.name for path in FOLDER.glob("*.ipynb")))
CLAIMED = "✓ "
RUN_LIMIT_S = 60


def lesson(name: str) -> Any:
    """Read one committed lesson."""
    return nbformat.read(FOLDER / name, nbformat.NO_CONVERT)


def code_cells(notebook: Any) -> list[Any]:
    """Return a notebook's code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cells_by_id(notebook: Any) -> dict[str, Any]:
    """Return a notebook's cells by their ids."""
    return {cell["id"]: cell for cell in notebook.cells}


def printed(cell: Any) -> str:
    """Return what a code cell printed on its standard output."""
    return "".join(one.text for one in cell.outputs if one.output_type == "stream" and one.name == "stdout")


def claims(cell: Any) -> list[str]:
    """Return the lines in which a code cell's claims held; cards of checks and traces are not among them."""
    lines = [line for line in printed(cell).splitlines() if line.startswith(CLAIMED)]
    return [line for line in lines if " ms" not in line]


def run_freshly(name: str, home: Path, *, after_start: str = "", twice: bool = False) -> Any:
    """Run a lesson from its first cell in a new kernel, with progress and servers of its own.

    Args:
        name: The notebook's file name.
        home: The folder that becomes LAB_HOME.
        after_start: Code to run after the cell that calls `start`.
        twice: Run every code cell again at once, as a reader does who changes something.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised, so one of its claims may not hold.
    """
    notebook = lesson(name)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LAB_")}
    environment["LAB_HOME"] = str(home)
    if after_start:
        notebook.cells.insert(2, nbformat.v4.new_code_cell(after_start))
    if twice:
        notebook.cells = [copy for cell in notebook.cells for copy in (cell, _again(cell))]
    client = NotebookClient(
        notebook, timeout=RUN_LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute(env=environment)
    return notebook


def _again(cell: Any) -> Any:
    """Copy a cell; prose and the start, which empties the folder of databases, become empty prose."""
    if cell.cell_type == "code" and not cell["id"].endswith("-start"):
        return nbformat.from_dict({**cell, "id": f"{cell['id']}-again"})
    return nbformat.v4.new_markdown_cell()
