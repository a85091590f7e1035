"""What `13.1` and `13.1.2` on the command line stand for.

Section:
    All sections.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab_support.cli.telling import fail


@dataclass(frozen=True, slots=True)
class Target:
    """A section, and one exercise of it or all."""

    section: str
    exercise: str | None

    @property
    def stem(self) -> str:
        """The name that the section's notebooks share."""
        from lab_support.exercises.registry import STEMS

        return STEMS[self.section]

    @property
    def exercises(self) -> frozenset[str]:
        """The exercises meant."""
        from lab_support.exercises import section

        return frozenset([self.exercise] if self.exercise else [one.id for one in section(self.section)])


def parse_target(text: str) -> Target:
    """Understand `13.1` or `13.1.2`.

    Raises:
        UnknownExerciseError: There is no such section or exercise.
    """
    from lab_support.exercises import find, section

    if text.count(".") > 1:
        found = find(text)
        return Target(found.section, found.id)
    section(text)
    return Target(text, None)


def every_section(home: Path) -> list[Target]:
    """Return every section that has a lab."""
    from lab_support.exercises import sections

    targets = (Target(number, None) for number in sections())
    return [target for target in targets if (home / "labs" / f"{target.stem}.ipynb").exists()]


def root() -> Path:
    """Return the workbook's folder, or fail where there is none.

    Raises:
        typer.Exit: Neither this folder nor one above it, nor the package's own, is a workbook.
    """
    from lab_support.settings import workbook_root

    found = workbook_root()
    if not (found / "labs").is_dir():
        fail(f"{found} is not in the workbook (there is no labs/ here or above). Change into its folder.")
    return found
