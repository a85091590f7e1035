"""What a saga is: a list of steps, each with its command, its answers and what makes it good again.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import BaseModel

from lab_support.sagas.retries import RetryPolicy

Command = Callable[[Any], BaseModel]
"""Makes a command's payload from the saga's data."""

_NAME_LENGTH = 100


class SagaDefinitionError(ValueError):
    """A saga that could not end as its definition promises."""


@dataclass(frozen=True, slots=True)
class When:
    """An answer that counts under a condition: a type that several steps share, and what tells them apart."""

    type: type[BaseModel]
    holds: Callable[[Any], bool]


Answer = type[BaseModel] | When


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that another service is asked to do.

    Attributes:
        name: Such as "reserve-stock".
        to: The topic of its commands.
        action: Makes the command that does it.
        success: Answers that say it was done.
        failure: Answers that say it was not done, and won't be.
        compensation: Makes the command that makes it good again; None when there is nothing to make good.
        done: Answers that say it was made good, or that there was nothing to make good.
        refused: Answers that say it can't be made good: a person has to look.
        on_reply: Takes what a success tells into the saga's data.
        retry: How often a command is sent that nobody answers, and how much longer each wait is.
        deadline_s: How long the answer to one command may take, in seconds.
        pivot: When it is done, the saga goes forward only. A step after it has no failure: it is retried.

    Section:
        13.6, "What cannot be undone: the pivot"
    """

    name: str
    to: str
    action: Command
    success: Sequence[Answer]
    failure: Sequence[Answer] = ()
    compensation: Command | None = None
    done: Sequence[Answer] = ()
    refused: Sequence[Answer] = ()
    on_reply: Callable[[Any, Any], Any] | None = None
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=3))
    deadline_s: float = 10.0
    pivot: bool = False

    def __post_init__(self) -> None:
        """Refuse a step whose answers could not be understood.

        Raises:
            SagaDefinitionError: It says what to change.
        """
        if not 0 < len(self.name) <= _NAME_LENGTH:
            raise SagaDefinitionError(f"A step is called {self.name!r}; give 1 to {_NAME_LENGTH} characters.")
        if not self.success:
            raise SagaDefinitionError(f"Step {self.name!r} has no success; name the answer that ends it.")
        if (self.compensation is None) != (not self.done):
            raise SagaDefinitionError(
                f"Step {self.name!r} needs both a compensation and the answers that say it is done, or neither."
            )
        if both := set(_plain(self.success)) & set(_plain(self.failure)):
            names = ", ".join(sorted(one.__name__ for one in both))
            raise SagaDefinitionError(f"Step {self.name!r} takes {names} for a success and for a failure.")
        if not self.deadline_s > 0:
            raise SagaDefinitionError(
                f"Step {self.name!r} has deadline_s {self.deadline_s}; give seconds above 0."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaDefinition:
    """A saga: its steps in their order, and the type of the data they share.

    Attributes:
        name: Such as "place-order-on-credit"; the saga log refers to it, so it must not change.
        steps: One or more.
        data: The model of what the steps know.

    Section:
        13.5, "The same operation, orchestrated"
    """

    name: str
    steps: Sequence[Step]
    data: type[BaseModel]

    def __post_init__(self) -> None:
        """Refuse a saga that could not end as it promises.

        Raises:
            SagaDefinitionError: It says what to change.
        """
        if not self.steps:
            raise SagaDefinitionError(f"Saga {self.name!r} has no step; give one or more.")
        for name, count in Counter(step.name for step in self.steps).items():
            if count > 1:
                raise SagaDefinitionError(
                    f"Saga {self.name!r} has {count} steps called {name!r}; rename one."
                )
        self._check_answers()
        self._check_pivot()

    def step(self, name: str) -> Step:
        """Give the step of a name.

        Raises:
            SagaDefinitionError: There is none; the saga log may be of another release.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise SagaDefinitionError(
            f"Saga {self.name!r} has no step {name!r}; keep the steps that running sagas name."
        )

    def after(self, step: Step) -> Step | None:
        """Give the step that follows, or None after the last."""
        following = list(self.steps).index(step) + 1
        return self.steps[following] if following < len(self.steps) else None

    def goes_forward_only(self, step: Step) -> bool:
        """Tell whether a step comes after the pivot."""
        return any(one.pivot for one in self.steps[: list(self.steps).index(step)])

    def with_deadline(self, deadline_s: float) -> Self:
        """Give the same saga with steps that wait so many seconds, all attempts together, for an answer."""
        return replace(
            self,
            steps=tuple(replace(one, deadline_s=deadline_s / one.retry.attempts) for one in self.steps),
        )

    def _check_answers(self) -> None:
        taken: dict[type[BaseModel], str] = {}
        for step in self.steps:
            for answer in _plain([*step.success, *step.failure, *step.done, *step.refused]):
                other = taken.setdefault(answer, step.name)
                if other != step.name:
                    raise SagaDefinitionError(
                        f"Steps {other!r} and {step.name!r} of saga {self.name!r} both take {answer.__name__}; "
                        "tell them apart with When(type, condition)."
                    )

    def _check_pivot(self) -> None:
        pivots = [step.name for step in self.steps if step.pivot]
        if len(pivots) > 1:
            raise SagaDefinitionError(
                f"Saga {self.name!r} has the pivots {pivots}; there is one point of no return."
            )
        for step in self.steps:
            if self.goes_forward_only(step) and (step.compensation is not None or step.failure):
                raise SagaDefinitionError(
                    f"Step {step.name!r} of saga {self.name!r} comes after the pivot {pivots[0]!r}: it can only be "
                    "retried. Take away its compensation and its failures, or move it before the pivot."
                )


def is_one_of(reply: BaseModel, answers: Sequence[Answer]) -> bool:
    """Tell whether a reply is among the answers."""
    return any(
        isinstance(reply, one.type) and one.holds(reply) if isinstance(one, When) else isinstance(reply, one)
        for one in answers
    )


def names_of(answers: Sequence[Answer]) -> list[str]:
    """Give the names of the answers' types, for people."""
    return [(one.type if isinstance(one, When) else one).__name__ for one in answers]


def _plain(answers: Sequence[Answer]) -> Iterator[type[BaseModel]]:
    return (one for one in answers if not isinstance(one, When))
