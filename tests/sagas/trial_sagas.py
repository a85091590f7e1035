"""Small sagas of any shape, for tests of what all sagas have in common."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from lab_support.messaging import EventTypes
from lab_support.sagas import RetryPolicy, SagaDefinition, Step, When


class Data(BaseModel):
    """What the steps know; `seen` grows with each success."""

    order_id: str = "7"
    seen: list[str] = []


class Numbered(BaseModel):
    """The parent of all messages: they name the step they are about."""

    step: str


class Do(Numbered):
    """The command of a step."""

    seen: list[str] = []


class Undo(Numbered):
    """Its compensation."""


class Done(Numbered):
    """Success."""


class Failed(Numbered):
    """Failure."""

    reason: str = "NO"


class Undone(Numbered):
    """It was made good."""


class CannotUndo(Numbered):
    """A person has to look."""

    reason: str = "BROKEN"


MESSAGES = (Do, Undo, Done, Failed, Undone, CannotUndo)
TYPES = EventTypes()
for _model in MESSAGES:
    TYPES.register(_model)


def about(model: type[BaseModel], name: str) -> When:
    return When(model, lambda reply: reply.step == name)


def step(name: str, *, undo: bool = True, after_pivot: bool = False, **more: Any) -> Step:
    """A step called `name`, with commands to the topic `name.commands`."""
    settings: dict[str, Any] = {
        "name": name,
        "to": f"{name}.commands",
        "action": lambda data: Do(step=name, seen=data.seen),
        "success": [about(Done, name)],
        "failure": [] if after_pivot else [about(Failed, name)],
        "on_reply": lambda data, reply: data.model_copy(update={"seen": [*data.seen, reply.step]}),
        "retry": RetryPolicy(attempts=2, backoff_s=1, longest_s=1),
        "deadline_s": 10.0,
    }
    if undo and not after_pivot:
        settings["compensation"] = lambda data: Undo(step=name)
        settings["done"] = [about(Undone, name)]
        settings["refused"] = [about(CannotUndo, name)]
    return Step(**{**settings, **more})


def saga(*steps: Step, name: str = "trial") -> SagaDefinition:
    return SagaDefinition(name=name, steps=steps, data=Data)


def three(names: Sequence[str] = ("a", "b", "c")) -> SagaDefinition:
    """Three steps, each of which can be made good."""
    return saga(*[step(name) for name in names])
