"""Why is this order where it is? Its saga across all services, as Orders tells it over HTTP.

Section:
    13.6, "Why is this order still pending?"
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from lab_support.workbook import saga_pictures as pictures
from lab_support.workbook.saga_pictures import Line

if TYPE_CHECKING:
    import httpx

_DETAILS: Final = ("reason", "failed_step", "compensate", "action", "sku", "amount", "total", "resolution")


class StoryError(Exception):
    """A saga that can't be told; the text says why and what to do."""


class Told(BaseModel):
    """One event of a saga."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_id: UUID
    causation_id: UUID | None = None
    service: str
    type: str
    occurred_at: datetime
    payload: dict[str, Any] = {}

    @property
    def details(self) -> str:
        """What of its payload helps to understand the story."""
        told = {name: self.payload[name] for name in _DETAILS if self.payload.get(name) not in (None, "", [])}
        return ", ".join(f"{name} {_words(value)}" for name, value in told.items())


class SagaStory(BaseModel):
    """An order's saga; a notebook shows it as a sentence, a table and a sequence diagram.

    Attributes:
        why: One sentence on why the order is where it is.
        events: What each service told, no event before its cause.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    order_id: UUID
    saga_id: UUID
    status: str
    why: str
    events: tuple[Told, ...]

    @property
    def lines(self) -> Sequence[Line]:
        """The timeline, with times since the first event and causes by name."""
        types = {event.event_id: event.type for event in self.events}
        start = min((event.occurred_at for event in self.events), default=None)
        return [
            Line(
                at=f"{event.occurred_at:%H:%M:%S.%f}"[:-3],
                since=_seconds(event.occurred_at - (start or event.occurred_at)),
                service=event.service,
                type=event.type,
                cause=_name(event.causation_id, types),
                details=event.details,
            )
            for event in self.events
        ]

    @property
    def diagram(self) -> str:
        """The sequence diagram, in mermaid's words."""
        return pictures.diagram(self.events)

    def __repr__(self) -> str:
        """Tell it as text, for a terminal."""
        return pictures.text(self._heading, self.why, self.lines)

    __str__ = __repr__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        """Give a notebook what it can show: JupyterLab draws the diagram in the Markdown without any network."""
        return {
            "text/plain": repr(self),
            "text/markdown": pictures.markdown(self._heading, self.why, self.lines, self.diagram),
            "text/vnd.mermaid": self.diagram,
        }

    @property
    def _heading(self) -> str:
        return f"Order {self.order_id}: {self.status}"


async def tell_saga(order_id: UUID | str, client: httpx.AsyncClient) -> SagaStory:
    """Ask Orders for the timeline of an order.

    Args:
        order_id: As `POST /orders` gave it.
        client: For the running application: `async with running_app() as client`.

    Raises:
        StoryError: There is no such order, or Orders did not tell.
    """
    try:
        wanted = UUID(str(order_id))
    except ValueError:
        raise StoryError(
            f"{str(order_id)[:80]!r} is no order's id. Take the `order_id` of the answer to POST /orders."
        ) from None
    answer = await client.get(f"/orders/{wanted}/timeline")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise StoryError(
            f"Orders knows no order {wanted}. Take the `order_id` of the answer to POST /orders, and the client of the "
            "application that took the order."
        )
    if answer.status_code != HTTPStatus.OK:
        raise StoryError(
            f"Orders answered {answer.status_code} instead of the timeline of {wanted}. See its log, then ask again."
        )
    try:
        return SagaStory.model_validate_json(answer.content)
    except ValidationError as error:
        raise StoryError(
            f"What came from {answer.request.url.path} is no timeline. Is `client` one for the shop?"
        ) from error


def _name(cause: UUID | None, types: dict[UUID, str]) -> str:
    return "" if cause is None else types.get(cause, "an event not heard yet")


def _seconds(span: timedelta) -> str:
    return f"+{span.total_seconds():.3f} s"


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(str(one) for one in value)
    return str(value)
