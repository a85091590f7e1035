"""How an exercise is declared: what is asked, what is tried, and which wrong beliefs are known.

Section:
    All sections; `s13_01.py` shows the shape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from lab_support.exercises.story import Story

Witness = Literal["rows", "answers", "measured"]
EngineName = Literal["sqlite", "postgresql", "mongodb"]
Tell = Callable[["Story"], Awaitable[None]]
ActFunction = TypeVar("ActFunction", bound=Callable[..., Awaitable[Any]])


class Seen(dict[str, Any]):
    """Facts the scenarios noted; a fact that was never noted reads as None."""

    def __getattr__(self, name: str) -> Any:
        """Return the fact called `name`, or None."""
        return self.get(name)


@dataclass(frozen=True, slots=True)
class Load:
    """What a scenario needs of the student's engine.

    Attributes:
        connections: The most that can be open at once; few, so that a leak shows at once.
        lock_s: Longest wait for somebody's lock, in seconds.
    """

    connections: int = 5
    lock_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Misconception:
    """A named wrong belief: how it shows in what was seen, and the reply to it.

    Attributes:
        name: The trap's name in CURRICULUM.md, and of its file under `tests/misconceptions/`.
        reply: One or two sentences to the student that name the belief and the way out.
        shows: True for the facts that this belief, and no other, produces.
    """

    name: str
    reply: str
    shows: Callable[[Seen], Any]

    def explains(self, seen: Seen) -> bool:
        """Whether this belief explains what was seen."""
        try:
            return bool(self.shows(seen))
        except (TypeError, LookupError):  # a fact that was never noted, compared or indexed
            return False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing the judge tries: a story of given, when, ask and then.

    Attributes:
        title: The behaviour as a sentence that one could deny.
        tell: The story; it raises `Unmet` where an expectation does not hold.
        on: The engine it wants; where PostgreSQL cannot run, the story runs on SQLite and the card says so.
            On MongoDB it gets a fresh database on an embedded server.
        points: Its weight when a class is graded.
        load: How many connections the student's engine has, and how long it waits.
    """

    title: str
    tell: Tell
    on: EngineName = "sqlite"
    points: float = 1.0
    load: Load = Load()


@dataclass(slots=True)
class Exercise:
    """What a student is asked, and everything needed to judge the answer.

    Attributes:
        id: Section and number, as in `13.1.2`.
        student_writes: Names of the objects handed to `check`, in order.
        witness: What the verdict rests on (DESIGN, decision 11).
        hints: Three stages: where to look, what to use, almost the code.
        limit_s: Longest a whole check may take, in seconds.
    """

    id: str
    title: str
    task: str
    student_writes: tuple[str, ...]
    witness: Witness
    hints: tuple[str, ...]
    misconceptions: tuple[Misconception, ...]
    limit_s: float = 10.0
    scenarios: list[Scenario] = field(default_factory=list)
    acts: dict[str, Callable[..., Awaitable[Any]]] = field(default_factory=dict)

    @property
    def section(self) -> str:
        """The section's number, as in `13.1`."""
        return self.id.rpartition(".")[0]

    def scenario(
        self, title: str, *, on: EngineName = "sqlite", points: float = 1.0, load: Load | None = None
    ) -> Callable[[Tell], Tell]:
        """Register a story the judge tells."""

        def register(tell: Tell) -> Tell:
            self.scenarios.append(Scenario(title, tell, on, points, load or Load()))
            return tell

        return register

    def act(self, function: ActFunction) -> ActFunction:
        """Register something done beside the student's code: the only code that touches it.

        An act is called as `act(attempt, **inputs)`; inputs and result are JSON, for they cross a process border.
        """
        self.acts[function.__name__] = function
        return function

    def causes(self, seen: Seen) -> tuple[Misconception, ...]:
        """Return the misconceptions that explain what was seen."""
        return tuple(known for known in self.misconceptions if known.explains(seen))
