"""What a script of an anomaly is made of: steps of two or three sessions in a fixed order, and how to tell it happened.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Who = Literal["T1", "T2", "T3"]
Parameters = Mapping[str, int]

START: Mapping[int, int] = {1: 10, 2: 20}
"""The rows each script begins with: id -> value."""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of one session.

    Attributes:
        who: The session.
        sql: The statement, with `{table}` for the table's name; or COMMIT or ROLLBACK.
        given: Gives the statement's parameters from the number which the session read last; None leaves it out.
    """

    who: Who
    sql: str
    given: Callable[[int], Parameters | None] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known when all sessions have ended.

    Attributes:
        reads: Each session's numbers, in the order of its reads.
        rows: The rows that were kept: id -> value.
    """

    reads: Mapping[Who, Sequence[int]]
    rows: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A known way in which concurrent transactions go wrong, as a script that provokes it.

    Attributes:
        code: Its name in the literature (Adya, Berenson and the Hermitage tests).
        name: Its name in words.
        story: What happens to whom, in one sentence.
        steps: The script.
        happened: Tells from what was seen whether it happened, given that nobody was refused.
    """

    code: str
    name: str
    story: str
    steps: tuple[Step, ...]
    happened: Callable[[Seen], bool]


_READ = "SELECT value FROM {table} WHERE id = {row}"
_COUNT = "SELECT count(*) FROM {table} WHERE value >= {least}"
_SUM = "SELECT sum(value) FROM {table}"
_WRITE = "UPDATE {table} SET value = {value} WHERE id = {row}"


def reads(who: Who, row: int) -> Step:
    """Read one row."""
    return Step(who, _READ.format(table="{table}", row=row))


def counts(who: Who, least: int) -> Step:
    """Count the rows with a value of at least so much."""
    return Step(who, _COUNT.format(table="{table}", least=least))


def sums(who: Who) -> Step:
    """Add up all values."""
    return Step(who, _SUM)


def writes(who: Who, row: int, value: int) -> Step:
    """Set one row to a fixed value."""
    return Step(who, _WRITE.format(table="{table}", row=row, value=value))


def commits(who: Who) -> Step:
    """Commit."""
    return Step(who, "COMMIT")


def rolls_back(who: Who) -> Step:
    """Roll back."""
    return Step(who, "ROLLBACK")
