"""What a rehearsal found, stage by stage.

Section:
    13.9, "Expand and contract"
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stage:
    """One step of the change, and what the code that was live met in it.

    Attributes:
        name: The step.
        live: The versions of the code that worked, older first.
        done: How many operations each version finished.
        failed: How many of each version's operations raised.
        lost: Names that were written and not found again.
        first_error: The first that was raised, on one line; None without.
        changed: Rows that a backfill wrote.
    """

    name: str
    live: tuple[str, ...]
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    first_error: str | None = None
    changed: int = 0


@dataclass(slots=True)
class Rehearsed:
    """All stages, and whether a caller would have noticed anything.

    Attributes:
        stages: In the order in which they happened.
        customers: How many there were at the end, all found under their last name unless listed as lost.
    """

    stages: list[Stage] = field(default_factory=list)
    customers: int = 0

    @property
    def errors(self) -> int:
        """How many operations failed."""
        return sum(sum(stage.failed.values()) for stage in self.stages)

    @property
    def lost(self) -> list[str]:
        """Every name that was lost, with the stage."""
        return [f"{stage.name}: {one}" for stage in self.stages for one in stage.lost]

    @property
    def unnoticed(self) -> bool:
        """Whether no operation failed and no name was lost."""
        return not self.errors and not self.lost

    def rows(self) -> list[tuple[str, str, int, int, int, str]]:
        """A table for a reader: step, live code, operations, errors, lost names, first error."""
        return [
            (
                stage.name,
                " + ".join(stage.live),
                sum(stage.done.values()),
                sum(stage.failed.values()),
                len(stage.lost),
                stage.first_error or "",
            )
            for stage in self.stages
        ]
