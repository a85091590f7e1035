"""What the curriculum asks of each lesson, and which cell gives it: one module a section, read by one set of tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules


@dataclass(frozen=True)
class LessonFacts:
    """One lesson, held against the curriculum. Cells are named without the section's prefix.

    Attributes:
        name: The notebook's file name; it is also the lab's.
        shows: Each item of the curriculum's "Shows" -> the code cells that show it, each with at least one claim.
        boxes: What a reader meets elsewhere -> the prose cell whose box corrects it.
        taught: Each exercise -> what its reference answer uses, word for word as the lesson has it.
        diagrams: Prose cells -> the kind of mermaid diagram that each one has.
        view: The name of the interactive view, in the place that is kept for it.
    """

    name: str
    shows: Mapping[str, tuple[str, ...]]
    boxes: Mapping[str, str]
    taught: Mapping[str, tuple[str, ...]]
    diagrams: Mapping[str, str]
    view: str

    @property
    def prefix(self) -> str:
        """What the ids of this lesson's cells begin with: `13-1-`."""
        chapter, section = self.name.split("_")[:2]
        return f"{chapter}-{int(section)}-"


def every_lesson() -> tuple[LessonFacts, ...]:
    """Return the facts of all sections, in their order."""
    names = sorted(module.name for module in iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}").FACTS for name in names)
