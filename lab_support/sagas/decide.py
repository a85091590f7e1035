"""What a saga does next: a pure function of its definition, its state and what it hears. No clock, bus or database.

The orchestrator and the vocabulary of `sagas.testing` both ask it, so a test speaks of what really runs.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from lab_support.sagas.definition import SagaDefinition, Step, is_one_of
from lab_support.sagas.state import Call, Decision, Incoming, SagaState, Send, Settled, Silence, Status

DEADLINE: Final = "DEADLINE"
UNANSWERED: Final = "UNANSWERED"


def begin(definition: SagaDefinition, data: BaseModel) -> Decision:
    """Start a saga: the first compensation is registered, then the first command is sent."""
    return _forward(SagaState(status="RUNNING", step=None, data=data), definition.steps[0])


def decide(definition: SagaDefinition, state: SagaState, incoming: Incoming) -> Decision:
    """Decide what follows; what does not concern the saga, or no longer, leaves the very same state.

    Raises:
        SagaDefinitionError: The state names a step that the definition lacks.
    """
    if state.status in ("COMPLETED", "COMPENSATED"):
        return Decision(state)
    if isinstance(incoming, Silence):
        return _silence(definition, state)
    if isinstance(incoming, Settled):
        return _settled(definition, state, incoming.step)
    if state.failed_step is None:
        return _answer(definition, state, incoming.payload)
    return _answer_to_compensation(definition, state, incoming.payload)


def _answer(definition: SagaDefinition, state: SagaState, reply: Any) -> Decision:
    step = definition.step(state.step or "")
    if is_one_of(reply, step.success):
        data = state.data if step.on_reply is None else step.on_reply(state.data, reply)
        return _done(definition, replace(state, data=data), step)
    if is_one_of(reply, step.failure):
        # Another copy of the command may still be under way and succeed, so more than one is made good.
        reason = str(getattr(reply, "reason", type(reply).__name__))
        return _turn_back(definition, state, step, reason, perhaps_done=state.attempts > 1)
    return Decision(state)


def _answer_to_compensation(definition: SagaDefinition, state: SagaState, reply: Any) -> Decision:
    for name in (state.step, *state.in_review):
        step = None if name is None else definition.step(name)
        if step is None or not is_one_of(reply, [*step.done, *step.refused]):
            continue
        if is_one_of(reply, step.refused):
            return _review(definition, state, step, str(getattr(reply, "reason", type(reply).__name__)))
        if step.name == state.step:
            return _compensate_before(definition, state, step)
        return _settled(definition, state, step.name)
    return Decision(state)


def _settled(definition: SagaDefinition, state: SagaState, name: str) -> Decision:
    if name not in state.in_review:
        return Decision(state)
    if state.failed_step is None:
        return _done(definition, state, definition.step(name))
    state = replace(state, in_review=tuple(one for one in state.in_review if one != name))
    over = state.status == "REQUIRES_REVIEW" and not state.in_review
    return Decision(_ended(state, "COMPENSATED") if over else state)


def _silence(definition: SagaDefinition, state: SagaState) -> Decision:
    if state.status not in ("RUNNING", "COMPENSATING") or state.step is None:
        return Decision(state)
    step = definition.step(state.step)
    if not step.retry.exhausted(state.attempts):
        again = replace(state, attempts=state.attempts + 1)
        return Decision(again, Send(step, _command(step, again)))
    if state.status == "COMPENSATING":
        return _review(definition, state, step, UNANSWERED)
    if definition.goes_forward_only(step):
        waiting = replace(state, status="REQUIRES_REVIEW", in_review=(step.name,))
        return Decision(waiting, calls=(Call("needs_review", step.name, UNANSWERED),))
    return _turn_back(definition, state, step, DEADLINE, perhaps_done=True)


def _done(definition: SagaDefinition, state: SagaState, step: Step) -> Decision:
    following = definition.after(step)
    state = replace(state, in_review=())
    if following is not None:
        return _forward(state, following)
    return Decision(_ended(state, "COMPLETED"), calls=(Call("completed"),))


def _forward(state: SagaState, step: Step) -> Decision:
    registered = state.registered if step.compensation is None else (*state.registered, step.name)
    state = replace(state, status="RUNNING", step=step.name, registered=registered, attempts=1)
    return Decision(state, Send(step, step.action(state.data)))


def _turn_back(
    definition: SagaDefinition, state: SagaState, step: Step, reason: str, *, perhaps_done: bool
) -> Decision:
    registered = state.registered
    if not perhaps_done:
        registered = tuple(name for name in registered if name != step.name)
    state = replace(state, status="COMPENSATING", registered=registered, failed_step=step.name, reason=reason)
    last = registered[-1] if registered else None
    return _compensate(definition, state, last, Call("failed", step.name, reason))


def _review(definition: SagaDefinition, state: SagaState, step: Step, reason: str) -> Decision:
    """Leave a compensation to a person; the ones before it must not wait for that."""
    call = Call("needs_review", step.name, reason)
    if step.name != state.step:
        return Decision(state, calls=(call,))  # tried again after a review, in vain
    return _compensate_before(definition, replace(state, in_review=(*state.in_review, step.name)), step, call)


def _compensate_before(definition: SagaDefinition, state: SagaState, step: Step, *calls: Call) -> Decision:
    place = state.registered.index(step.name)
    return _compensate(definition, state, state.registered[place - 1] if place else None, *calls)


def _compensate(definition: SagaDefinition, state: SagaState, name: str | None, *calls: Call) -> Decision:
    if name is None:
        return Decision(_ended(state, "REQUIRES_REVIEW" if state.in_review else "COMPENSATED"), calls=calls)
    step = definition.step(name)
    state = replace(state, step=name, attempts=1)
    return Decision(state, Send(step, _command(step, state)), calls)


def _command(step: Step, state: SagaState) -> BaseModel:
    if state.status == "COMPENSATING" and step.compensation is not None:
        return step.compensation(state.data)
    return step.action(state.data)


def _ended(state: SagaState, status: Status) -> SagaState:
    return replace(state, status=status, step=None, attempts=0)
