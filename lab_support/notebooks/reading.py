"""Read a notebook file, however damaged, old or foreign, or say in one line what it is and what to do.

Section:
    All sections.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from lab_support.notebooks.cells import Cell, Notebook

LARGEST_BYTES = 50_000_000
"""A lab is under 0.1 MB; one with large outputs, a few. Beyond this a file is refused unread."""


class NotebookError(Exception):
    """A file cannot be used as a notebook; the text is one line that says why and what to do."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path, self.problem = path, problem


def read_notebook(path: Path, *, ids_needed: bool = True) -> Notebook:
    """Read a notebook without changing it.

    Args:
        path: The file.
        ids_needed: Refuse formats older than 4.5, whose cells have no ids.

    Raises:
        NotebookError: It is not there, not readable, not a notebook, too old or too large.
    """
    content = _parse(path, _text(path))
    _refuse_other_formats(path, content, ids_needed)
    cells = content["cells"]
    if not all(isinstance(cell, dict) for cell in cells):
        raise NotebookError(
            path,
            "has cells that are not cells. Restore it: `lab reset SECTION` keeps a copy and starts afresh.",
        )
    return Notebook(path, tuple(_cell(cell) for cell in cells), content)


def _text(path: Path) -> str:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise NotebookError(path, "is a folder, not a notebook. Name a file that ends in .ipynb.")
        if not stat.S_ISREG(about.st_mode):
            raise NotebookError(path, "is not a regular file. Name a file that ends in .ipynb.")
        if about.st_size > LARGEST_BYTES:
            size = f"is {about.st_size / 1e6:,.0f} MB large; {LARGEST_BYTES / 1e6:.0f} MB is the most."
            raise NotebookError(
                path, f"{size} Clear its outputs (Edit, Clear Outputs of All Cells) and save it."
            )
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NotebookError(
            path, "is not there. `lab open` makes your copies of the labs in work/."
        ) from None
    except UnicodeDecodeError:
        raise NotebookError(
            path, "is not a notebook: it is not even UTF-8 text. Name a file saved by Jupyter."
        ) from None
    except OSError as error:
        raise NotebookError(
            path, f"cannot be read: {error.strerror}. Mend the path or its permissions."
        ) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    if not text.strip():
        raise NotebookError(path, "is empty. `lab reset SECTION` gives you the lab afresh.")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
        what = "breaks off" if cut else f"is damaged: {error.msg}"
        problem = f"{what} (line {error.lineno}), so it is no notebook."
        raise NotebookError(
            path, f"{problem} Restore a saved copy, or start afresh with `lab reset SECTION`."
        ) from None
    except (RecursionError, ValueError):
        raise NotebookError(
            path, "is nested too deeply or has impossible numbers, so it is no notebook."
        ) from None
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise NotebookError(path, "is JSON but not a Jupyter notebook. Name a file saved by Jupyter.")
    return content


def _refuse_other_formats(path: Path, content: dict[str, Any], ids_needed: bool) -> None:
    major, minor = content["nbformat"], content.get("nbformat_minor")
    minor = minor if isinstance(minor, int) else 0
    if major != 4:
        advice = "Open and save it in JupyterLab, or start afresh with `lab reset SECTION`."
        raise NotebookError(path, f"has notebook format {major}, and format 4 is needed. {advice}")
    if not isinstance(content.get("cells"), list):
        raise NotebookError(
            path, "has no list of cells, so it is no notebook. Start afresh with `lab reset SECTION`."
        )
    if minor < 5 and ids_needed:
        advice = "`lab reset SECTION` gives a fresh lab and keeps a copy of this file: paste your code over."
        raise NotebookError(path, f"has notebook format 4.{minor}, whose cells have no ids. {advice}")


def _cell(content: dict[str, Any]) -> Cell:
    source = content.get("source", "")
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    found = content.get("id")
    return Cell(found if isinstance(found, str) else "", str(content.get("cell_type")), str(source), content)
