"""What is wrong with the workbook, one line a finding.

Section:
    All sections.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: where it is (an exercise or a file), what is wrong, and what mends it."""

    where: str
    problem: str
    mend: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return " ".join(f"{self.where}: {self.problem}. {self.mend}".split())
