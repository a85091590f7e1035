"""The judge's side of a check: seed, ask, read the evidence, expect.

A scenario is told as a coroutine over a `Story`. Only `ask` reaches the student's code, through a channel that carries
JSON, so that in class grading everything else runs in a process that never saw a line of it (docs/decisions/0005).

Section:
    All sections.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Executable, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.exercises.model import Seen
from lab_support.exercises.rival import FIRST_WRITE, Meeting, Rival, Work
from lab_support.exercises.verdict import Cost
from lab_support.student_frames import StudentFrame

if TYPE_CHECKING:
    from pymongo.database import Database

SHOWN_CHARACTERS = 240


class Unmet(Exception):  # noqa: N818 - it reads as a statement in a story
    """An expectation that does not hold."""

    def __init__(self, message: str, expected: str = "", observed: str = "") -> None:
        super().__init__(message)
        self.message, self.expected, self.observed = message, expected, observed


@dataclass(frozen=True, slots=True)
class StudentError:
    """An error that the student's code raised, as data.

    Attributes:
        types: Class names along the chain of causes, outermost first.
        not_attempted: Whether it is the starter's own `NotImplementedError`.
    """

    types: tuple[str, ...]
    text: str
    frame: StudentFrame | None = None
    not_attempted: bool = False


class StudentCodeRaised(Exception):  # noqa: N818
    """Student code raised where the story did not allow for it."""

    def __init__(self, error: StudentError) -> None:
        super().__init__(error.text)
        self.error = error


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the student's side: JSON, the error if any, and what the instruments measured.

    Attributes:
        error: What the student's code raised, if it ended the act.
        unhandled: The last error that the student's application answered with a plain 500.
        statements: SQL statements executed during the act.
        checked_out: Connections still in use when the act had ended.
        rival: How the rival fared, if one was asked for: "not met", "came between" or "kept out".
    """

    value: Any = None
    error: StudentError | None = None
    unhandled: StudentError | None = None
    statements: int = 0
    commits: int = 0
    checked_out: int = 0
    ms: float = 0.0
    events: tuple[dict[str, Any], ...] = ()
    rival: str = ""

    def __getitem__(self, key: Any) -> Any:
        """Return a part of the JSON value."""
        return self.value[key]

    @property
    def cost(self) -> Cost:
        """What the act cost."""
        return Cost(self.statements, self.commits, self.ms)


class Channel(Protocol):
    """The border to the process in which the student's code runs."""

    async def call(
        self,
        act: str,
        inputs: Mapping[str, Any],
        *,
        fresh_process: bool = False,
        meeting: Meeting | None = None,
    ) -> Answer:
        """Have an act performed and return what it answered; a rival comes in on the judge's side of the border."""
        ...


@dataclass(slots=True)
class Story:
    """One scenario being told: the judge's own database access, questions, and expectations.

    Attributes:
        engine: The judge's own engine on the same database; never the student's.
        random: Seeded; ids, amounts and names come from here, so that no answer can be known in advance.
        seen: Facts noted for the misconceptions.
        store: The database of documents, where the scenario wants one; read it as `documents`.
    """

    engine: AsyncEngine
    channel: Channel
    random: random.Random
    seen: Seen = field(default_factory=Seen)
    last_call: str = ""
    answers: list[Answer] = field(default_factory=list)
    store: Database[dict[str, Any]] | None = None

    @property
    def dialect(self) -> str:
        """The engine this story really runs on: `sqlite`, `postgresql` or `mongodb`."""
        return self.engine.dialect.name if self.store is None else "mongodb"

    @property
    def documents(self) -> Database[dict[str, Any]]:
        """The story's database of documents, by the judge's own client.

        Raises:
            RuntimeError: The scenario does not say `on="mongodb"`.
        """
        if self.store is None:
            raise RuntimeError('There are no documents in this story. Say on="mongodb" where it is declared.')
        return self.store

    async def create(self, metadata: MetaData) -> None:
        """Create the tables of `metadata`."""
        async with self.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)

    async def write(
        self, statement: Executable | str, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Execute one statement in a transaction of the judge's own, once per row when rows are given."""
        async with self.engine.begin() as connection:
            await connection.execute(_executable(statement), list(rows) if rows is not None else None)

    async def rows(self, statement: Executable | str, **parameters: Any) -> list[dict[str, Any]]:
        """Read rows by the judge's own connection."""
        async with self.engine.connect() as connection:
            result = await connection.execute(_executable(statement), parameters)
            return [dict(row) for row in result.mappings()]

    async def look(self, read: Callable[[Any], Any]) -> Any:
        """Run a synchronous look at the database, such as `sqlalchemy.inspect`, on the judge's own connection."""
        async with self.engine.connect() as connection:
            return await connection.run_sync(read)

    async def ask(
        self,
        act: Callable[..., Awaitable[Any]],
        *,
        call: str = "",
        may_fail: bool = False,
        fresh_process: bool = False,
        rival: Work | None = None,
        rival_before: str = FIRST_WRITE,
        **inputs: Any,
    ) -> Answer:
        """Have an act performed beside the student's code.

        Args:
            act: A function registered with `Exercise.act`.
            call: The question in words, for the card.
            may_fail: Whether an error is an answer too.
            fresh_process: Run it in a process of its own, where nothing of earlier questions is left.
            rival: Somebody else's change, made by the judge's own connection, once, between read and write.
            rival_before: Pattern of the statement before which the rival comes; the first write, if not given.
            inputs: JSON values for the act.

        Raises:
            StudentCodeRaised: The student's code raised and `may_fail` is false.
        """
        shown = ", ".join(f"{name}={value!r}" for name, value in inputs.items())
        self.last_call = call or f"{act.__name__}({shown})"
        between = Rival(self.engine, rival) if rival else None
        meeting = Meeting(rival_before, between.come) if between else None
        answer = await self.channel.call(act.__name__, inputs, fresh_process=fresh_process, meeting=meeting)
        if between:
            answer = replace(answer, rival=between.outcome)
        self.answers.append(answer)
        for error in (answer.error, answer.unhandled):
            if error is not None:
                self.seen.setdefault("errors", []).extend(error.types)
                self.seen.setdefault("error_texts", []).append(error.text)
        if answer.error is not None and (answer.error.not_attempted or not may_fail):
            raise StudentCodeRaised(answer.error)
        return answer

    def saw(self, **facts: Any) -> None:
        """Note facts for the misconceptions."""
        self.seen.update(facts)

    def expect(self, holds: Any, message: str, *, expected: object = "", observed: object = "") -> None:
        """Go on when `holds` is true.

        Raises:
            Unmet: It is not.
        """
        if not holds:
            raise Unmet(message, _short(expected), _short(observed))

    def equal(self, observed: object, expected: object, message: str) -> None:
        """Go on when what was observed equals what is expected.

        Raises:
            Unmet: It does not.
        """
        self.expect(observed == expected, message, expected=repr(expected), observed=repr(observed))


def _short(value: object) -> str:
    return textwrap.shorten(str(value), SHOWN_CHARACTERS, placeholder=" …")


def _executable(statement: Executable | str) -> Executable:
    return text(statement) if isinstance(statement, str) else statement
