"""A saga's test as a story: given a saga, expect a command, reply or be silent, expect an end. No bus, no database.

    story = given_saga(PLACE_ORDER_ON_CREDIT, order_id=ORDER_ID, customer_id="ada", ...)
    story.expect(ReserveCredit, to="customer.commands").when_reply(CustomerCreditReserved(...))
    story.expect(ReserveStock, to="stock.commands").when_silent()

The story asks `sagas.decide`, as the orchestrator does, so it tells what really happens.

Section:
    13.6, "The failure matrix"
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from lab_support.sagas.decide import begin, decide
from lab_support.sagas.definition import SagaDefinition, is_one_of, names_of
from lab_support.sagas.state import Call, Decision, Incoming, Reply, SagaState, Send, Settled, Silence

Ending = Literal["completed", "compensated", "requires_review"]


class Expected:
    """A command that the saga has sent, waiting to be answered."""

    def __init__(self, story: Story, send: Send) -> None:
        self._story = story
        self.command: Any = send.command
        self._send = send

    def when_reply(self, reply: BaseModel) -> None:
        """Answer the command.

        Raises:
            AssertionError: The saga has no use for this answer now; see `Story.hears` for one that it should overlook.
        """
        self._check_open()
        step, state = self._send.step, self._story.state
        backward = state.status == "COMPENSATING"
        answers = [*step.done, *step.refused] if backward else [*step.success, *step.failure]
        if not is_one_of(reply, answers):
            raise AssertionError(
                f"{type(reply).__name__} is no answer to {_named(self._send)}; the saga takes "
                f"{' or '.join(names_of(answers))}."
            )
        self._story.go_on(Reply(reply))

    def when_silent(self) -> None:
        """Let the deadline of this command pass; the saga may send it again, or give up.

        Raises:
            AssertionError: The saga no longer waits for this answer.
        """
        self._check_open()
        self._story.go_on(Silence())

    def when_silent_for_good(self) -> None:
        """Let all deadlines of this command pass, those of its repetitions too.

        Raises:
            AssertionError: The saga no longer waits for this answer.
        """
        self._check_open()
        for _ in range(self._send.step.retry.attempts - self._story.state.attempts + 1):
            self._story.go_on(Silence())

    def _check_open(self) -> None:
        if self._story.sent is not self._send:
            raise AssertionError(
                f"{_named(self._send)} is no longer waited for: {_where(self._story.state, self._story.sent)}. "
                "Expect the next command first."
            )


class Story:
    """What happens to one saga.

    Attributes:
        state: Where it is.
        told: What the service that owns it was told, oldest first.
        sent: The command whose answer it waits for.
    """

    def __init__(self, definition: SagaDefinition, decision: Decision) -> None:
        self._definition = definition
        self.state: SagaState = decision.state
        self.told: list[Call] = list(decision.calls)
        self.sent: Send | None = decision.send

    def expect(self, command: type[BaseModel], *, to: str, **fields: Any) -> Expected:
        """Say which command the saga has sent, where, and what some of its fields are.

        Raises:
            AssertionError: It has sent something else, or nothing.
        """
        wanted = f"{command.__name__} to {to}"
        sent = self.sent
        if sent is None:
            raise AssertionError(f"Expected {wanted}; the saga sent nothing: {_where(self.state)}.")
        if not isinstance(sent.command, command) or sent.step.to != to:
            raise AssertionError(f"Expected {wanted}; the saga sent {_named(sent)} instead.")
        for name, value in fields.items():
            found = getattr(sent.command, name, None)
            if found != value:
                raise AssertionError(f"Expected {wanted} with {name}={value!r}; it has {name}={found!r}.")
        return Expected(self, sent)

    def hears(self, reply: BaseModel) -> None:
        """Let any message arrive: a copy, one that is late, one that concerns no step."""
        self.go_on(Reply(reply))

    def settles(self, step: str) -> None:
        """Have a person take care of a step that is in review."""
        self.go_on(Settled(step))

    def expect_end(self, ending: Ending, *, reason: str | None = None) -> None:
        """Say how the saga has ended, and with which reason it had turned back.

        Raises:
            AssertionError: It ended otherwise, or goes on.
        """
        if self.state.status.lower() != ending:
            raise AssertionError(f"Expected the end {ending!r}; {_where(self.state, self.sent)}.")
        if reason is not None and self.state.reason != reason:
            raise AssertionError(
                f"Expected the saga to turn back for {reason}; it did for {self.state.reason or 'nothing'}."
            )

    def expect_review(self, *steps: str) -> None:
        """Say which steps a person has to look at, in any order.

        Raises:
            AssertionError: They are others.
        """
        if set(steps) != set(self.state.in_review):
            raise AssertionError(
                f"Expected in review: {_list(steps)}; a person has to look at: {_list(self.state.in_review)}."
            )

    def go_on(self, incoming: Incoming) -> None:
        """Let the saga decide about what happened."""
        decision = decide(self._definition, self.state, incoming)
        self.told += decision.calls
        if decision.state is not self.state:
            self.state = decision.state
            self.sent = decision.send or (self.sent if decision.state.step else None)


def given_saga(definition: SagaDefinition, **data: Any) -> Story:
    """Start a saga with these data; the story goes on with its first command.

    Raises:
        pydantic.ValidationError: The data are not what the definition asks for.
    """
    return Story(definition, begin(definition, definition.data(**data)))


def _named(send: Send) -> str:
    return f"{type(send.command).__name__} to {send.step.to}"


def _where(state: SagaState, sent: Send | None = None) -> str:
    if state.step is None:
        turned = "" if state.reason is None else f", after {state.failed_step!r} said {state.reason}"
        return f"it has ended {state.status.lower()!r}{turned}"
    waits = f" waits for the answer to {_named(sent)}" if sent else f" is at step {state.step!r}"
    return f"the saga is {state.status} and{waits}"


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
