"""Build the blank labs from the solutions, and tidy what authors leave in notebooks.

Section:
    All sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab_support.authoring.regions import RegionError, blank_source
from lab_support.notebooks import NotebookError, notebook_text, parse_cell_id, read_notebook
from lab_support.notebooks.writing import write_text

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def build_labs(root: Path) -> list[Path]:
    """Tidy `solutions/` and `notebooks/`, write every lab, and return the files that changed.

    Args:
        root: The workbook's folder.

    Raises:
        NotebookError: A notebook cannot be read or written, or its solution markers do not pair up.
    """
    changed = [path for path in notebooks_in(root / "notebooks") if _write(path, tidy_lesson_text(path))]
    for solution in notebooks_in(root / "solutions"):
        changed += [solution] if _write(solution, tidy_solution_text(solution)) else []
        lab = root / "labs" / solution.name
        changed += [lab] if _write(lab, lab_text(solution)) else []
    return changed


def notebooks_in(folder: Path) -> list[Path]:
    """Return a folder's notebooks in order; Jupyter's checkpoints are not among them."""
    return sorted(folder.glob("*.ipynb"))


def lab_text(solution: Path) -> str:
    """Return the blank lab of a solution, byte for byte the same at every call.

    Raises:
        NotebookError: The solution cannot be read, or its markers do not pair up.
    """
    content = read_notebook(solution).content
    cells = [_blank_cell(solution, cell) for cell in content["cells"]]
    return notebook_text({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def tidy_solution_text(solution: Path) -> str:
    """Return a solution without outputs, execution counts and editors' metadata."""
    content = read_notebook(solution).content
    cells = [_bare_cell(cell) for cell in content["cells"]]
    return notebook_text({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def tidy_lesson_text(lesson: Path) -> str:
    """Return a lesson with its outputs, but without what no other session can show or should compare."""
    content = read_notebook(lesson).content
    cells = [_tidy_lesson_cell(cell) for cell in content["cells"]]
    return notebook_text({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def _blank_cell(solution: Path, cell: Mapping[str, Any]) -> dict[str, Any]:
    bare = _bare_cell(cell)
    name = parse_cell_id(str(bare.get("id")))
    if name is not None and name.role == "check":
        bare["metadata"] = {**bare["metadata"], "deletable": False, "editable": False}
    if bare["cell_type"] == "code":
        try:
            bare["source"] = blank_source(_source(cell))
        except RegionError as error:
            raise NotebookError(
                solution, f"has a broken cell {bare.get('id')}: {error}. Mend its markers."
            ) from None
    return bare


def _bare_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    tags = cell.get("metadata", {}).get("tags")
    bare = {
        "cell_type": cell["cell_type"],
        "metadata": {"tags": tags} if tags else {},
        "source": _source(cell),
    } | ({"id": cell["id"]} if "id" in cell else {})
    if cell["cell_type"] == "code":
        bare |= {"execution_count": None, "outputs": []}
    return bare


def _tidy_lesson_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cell without widget views, and without the times at which somebody ran it."""
    tidy = {**cell, "metadata": _bare_cell(cell)["metadata"]}
    if "outputs" in cell:
        kept = [_without_widget_view(output) for output in cell["outputs"]]
        tidy["outputs"] = _in_one_piece(output for output in kept if output.get("data", True))
    return tidy


def _in_one_piece(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join text that a slow machine printed in several pieces."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        before = joined[-1] if joined else {}
        if (
            output["output_type"] == before.get("output_type") == "stream"
            and output["name"] == before["name"]
        ):
            before["text"] = "".join([*before["text"], *output["text"]]).splitlines(keepends=True)
        else:
            joined.append(output)
    return joined


def _without_widget_view(output: Mapping[str, Any]) -> dict[str, Any]:
    if "data" not in output:
        return dict(output)
    return {**output, "data": {mime: shown for mime, shown in output["data"].items() if mime != WIDGET_MIME}}


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text("utf-8") == text:
        return False
    write_text(path, text)
    return True
