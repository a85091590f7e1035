"""What the shell offers after `lab check 13.1.` and Tab: sections and exercises, read from the blank labs.

It imports only what reads a notebook, so that Tab answers at once, and it stays silent where there is no workbook.

Section:
    All sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADING = re.compile(r"^#+ (?:Lab )?([\d.]+) · (.+)$", re.MULTILINE)


def sections_and_exercises(incomplete: str) -> list[tuple[str, str]]:
    """Return the sections that begin so, and the exercises once a section is typed; each with its title."""
    return [(number, title) for number, title in _offers(incomplete) if number.startswith(incomplete)]


def exercises(incomplete: str) -> list[tuple[str, str]]:
    """Return the exercises that begin so, each with its title."""
    found = ((number, title) for number, title in _numbered() if number.count(".") == 2)
    return [(number, title) for number, title in found if number.startswith(incomplete)]


def _offers(incomplete: str) -> Iterator[tuple[str, str]]:
    numbered = list(_numbered())
    typed = {number for number, _ in numbered if number.count(".") == 1 and incomplete.startswith(number)}
    for number, title in numbered:
        if number.count(".") == 1 or number.rpartition(".")[0] in typed:
            yield number, title


def _numbered() -> Iterator[tuple[str, str]]:
    from lab_support.notebooks import NotebookError, read_notebook
    from lab_support.settings import workbook_root

    for lab in sorted((workbook_root() / "labs").glob("*.ipynb")):
        try:
            cells = read_notebook(lab).cells
        except NotebookError:
            continue
        for cell in cells:
            heading = _HEADING.match(cell.source) if cell.kind == "markdown" else None
            if heading is not None:
                yield heading.group(1), heading.group(2).replace("`", "")
