"""A notebook's cells, and what their ids say: `13-1-2-check` is the check cell of exercise 13.1.2.

Section:
    All sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXERCISE_CELL = re.compile(r"(\d+)-(\d+)-(\d+)-(task|given|work|check)(?:-\d+)?")
_SECTION_CELL = re.compile(r"(\d+)-(\d+)-[a-z].*")
_SKIPS = ("nbval-skip", "nbval-raises-exception", "raises-exception")
_SKIPPING_COMMENTS = ("NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION")


@dataclass(frozen=True, slots=True)
class CellName:
    """What an exercise cell's id says: the exercise, as in `13.1.2`, and its part: `task`, `given`…."""

    exercise: str
    role: str


def parse_cell_id(cell_id: str) -> CellName | None:
    """Return what an exercise cell's id says, or None for any other id."""
    match = _EXERCISE_CELL.fullmatch(cell_id)
    return CellName(".".join(match.groups()[:3]), match.group(4)) if match else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a notebook file.

    Attributes:
        id: Its id; empty where the file gives none.
        kind: `code`, `markdown` or `raw`.
        content: The cell as the file has it.
    """

    id: str
    kind: str
    source: str
    content: dict[str, Any]

    @property
    def name(self) -> CellName | None:
        """What the id says, for cells of exercises."""
        return parse_cell_id(self.id)

    @property
    def skip_mark(self) -> str | None:
        """The tag or comment that keeps nbval from running the cell or minding its errors, if any."""
        metadata = self.content.get("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        for tag in tags if isinstance(tags, list) else ():
            if tag in _SKIPS:
                return f"the tag {tag}"
        for line in self.source.splitlines():
            comment = line.strip()
            if comment.startswith("#") and comment.lstrip("#").strip() in _SKIPPING_COMMENTS:
                return f"the comment {comment}"
        return None


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook file that could be read."""

    path: Path
    cells: tuple[Cell, ...]
    content: dict[str, Any]

    def code(self) -> Iterator[Cell]:
        """Yield the code cells in order."""
        return (cell for cell in self.cells if cell.kind == "code")

    def check_cells(self) -> dict[str, Cell]:
        """Return the check cells by exercise, in the notebook's order."""
        named = ((cell.name, cell) for cell in self.code())
        return {name.exercise: cell for name, cell in named if name is not None and name.role == "check"}

    def exercise_sections(self) -> tuple[str, ...]:
        """Return the numbers of the sections whose exercise cells are in here, in order."""
        names = (cell.name for cell in self.cells)
        return tuple(dict.fromkeys(name.exercise.rpartition(".")[0] for name in names if name is not None))

    def is_of_the_workbook(self) -> bool:
        """Whether any cell carries an id of a section."""
        return any(_SECTION_CELL.fullmatch(cell.id) for cell in self.cells)
