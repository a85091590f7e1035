"""Find a student's labs by the ids of their cells, whatever the files are called and wherever in `work/` they lie.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from lab_support.notebooks.cells import Notebook
from lab_support.notebooks.reading import NotebookError, read_notebook

_KEPT_COPY = re.compile(r".+\.\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?")


def notebooks_below(work: Path) -> list[Path]:
    """Return the notebooks below a folder, without hidden ones and the dated copies that a reset keeps."""
    found: list[Path] = []
    with suppress(OSError):  # a folder that is deleted meanwhile
        for path in work.rglob("*.ipynb"):
            hidden = any(part.startswith(".") for part in path.relative_to(work).parts)
            if not hidden and not _KEPT_COPY.fullmatch(path.stem):
                found.append(path)
    return sorted(found)


def labs_of(section: str, work: Path, blank: Path) -> list[Path]:
    """Return the notebooks below `work` that hold a section's exercises, the one most likely meant first.

    A copy that nobody has written in yields to one with work in it; then the one saved last comes first.

    Args:
        section: As in `13.1`.
        work: The student's folder.
        blank: The blank lab; a file of its name counts as the section's, however damaged.
    """
    usual, untouched = work / blank.name, _code_of(_read(blank))
    found: list[tuple[bool, int, Path]] = []
    for path in notebooks_below(work):
        notebook = _read(path)
        if path == usual or (notebook is not None and section in notebook.exercise_sections()):
            written_in = notebook is None or _code_of(notebook) != untouched
            found.append((written_in, _saved_at(path), path))
    return [path for _, _, path in sorted(found, reverse=True)]


def lab_of(section: str, work: Path, blank: Path) -> Path:
    """Return the notebook most likely meant, or where the section's lab would be if there is none."""
    return next(iter(labs_of(section, work, blank)), work / blank.name)


def _saved_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(path: Path) -> Notebook | None:
    try:
        return read_notebook(path)
    except NotebookError:
        return None


def _code_of(notebook: Notebook | None) -> dict[str, str] | None:
    return None if notebook is None else {cell.id: cell.source for cell in notebook.code()}
