"""Compensations as rows: what a participant has promised to make good, until it is done or a person has looked at it.

Section:
    13.6, "Compensation is a new fact, not an undo"
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Self
from uuid import UUID, uuid4

from sqlalchemy import JSON, String, Uuid, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.schema import Index, SchemaItem, UniqueConstraint

from lab_support.database import UtcDateTime
from lab_support.database.inserts import insert_if_absent
from lab_support.messaging import Event

OPEN: Final = "OPEN"
DONE: Final = "DONE"
REQUIRES_REVIEW: Final = "REQUIRES_REVIEW"
SETTLED: Final = "SETTLED"
Resolution = Literal["retry", "settled"]
_NAME_LENGTH: Final = 100
REASON_LENGTH: Final = 200


class CompensationMixin:
    """The columns of a participant's compensations; a service inherits them beside its own declarative base.

    `status` is OPEN until the compensation is DONE. One that failed for good is REQUIRES_REVIEW, until a person
    has it tried again (OPEN) or takes care of it otherwise (SETTLED).

    Section:
        13.6, "A compensation that fails"
    """

    __tablename__: Any = "compensations"

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    subject: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    action: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    saga_id: Mapped[UUID | None] = mapped_column(Uuid())
    causation_id: Mapped[UUID | None] = mapped_column(Uuid())
    payload: Mapped[dict[str, Any]] = mapped_column(JSON())
    reply_to: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column()
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime())
    last_reason: Mapped[str | None] = mapped_column(String(REASON_LENGTH))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem | dict[str, Any], ...]:
        """Have one task for each thing to make good, and find those that are due by an index."""
        return (
            UniqueConstraint("subject", "action"),
            Index(f"ix_{cls.__tablename__}_due", "status", "next_try_at"),
            {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A compensation that is due, as it was read.

    Attributes:
        subject: What it is about: the order's id.
        action: What is to be done, such as "release-credit".
        saga_id: The business transaction.
        causation_id: The event or command that asked for it.
        payload: That event's payload.
        reply_to: The topic of what it announces; None leaves each event's own.
        attempts: How often it failed so far.
    """

    id: UUID
    subject: str
    action: str
    saga_id: UUID | None
    causation_id: UUID | None
    payload: dict[str, Any]
    reply_to: str | None
    attempts: int
    next_try_at: datetime

    @classmethod
    def of(cls, row: CompensationMixin) -> Self:
        """Read a row."""
        return cls(**{name: getattr(row, name) for name in cls.__slots__})

    @property
    def because(self) -> dict[str, Any]:
        """Give what an event that it announces carries on: `EVENTS.event(payload, ..., **task.because)`."""
        return {"saga_id": self.saga_id, "causation_id": self.causation_id}


async def register(
    session: AsyncSession,
    table: type[CompensationMixin],
    *,
    subject: str,
    action: str,
    event: Event,
    now: datetime,
    reply_to: str | None = None,
) -> bool:
    """Promise to make something good, in the caller's transaction; False when that was promised already.

    Args:
        session: Its open transaction, usually a consumer's; the caller commits.
        table: The service's compensations.
        subject: What it is about, 1 to 100 characters.
        action: What is to be done, 1 to 100 characters.
        event: What asks for it.
        now: This moment; the task is due at once.
        reply_to: The topic of what the action announces; None leaves each event's own.

    Raises:
        ValueError: Subject or action does not fit.
    """
    if not (0 < len(subject) <= _NAME_LENGTH and 0 < len(action) <= _NAME_LENGTH):
        raise ValueError(f"subject and action need 1 to {_NAME_LENGTH} characters: {subject!r}, {action!r}.")
    return await insert_if_absent(
        session,
        table,
        id=uuid4(),
        subject=subject,
        action=action,
        saga_id=event.saga_id,
        causation_id=event.event_id,
        payload=event.payload,
        reply_to=reply_to,
        status=OPEN,
        attempts=0,
        next_try_at=now,
        opened_at=now,
    )


async def resolve(
    session: AsyncSession,
    table: type[CompensationMixin],
    *,
    subject: str,
    action: str,
    resolution: Resolution,
    now: datetime,
) -> bool:
    """Do what a person decided about a task in review; False when it is not, or no longer, in review.

    Args:
        session: Its open transaction; the caller commits.
        table: The service's compensations.
        subject: What the task is about.
        action: Its action.
        resolution: "retry" gives it all its attempts again; "settled" says that it was taken care of otherwise.
        now: This moment.

    Raises:
        ValueError: There is no such resolution.
    """
    changes: dict[str, dict[str, Any]] = {
        "retry": {"status": OPEN, "attempts": 0, "next_try_at": now},
        "settled": {"status": SETTLED, "closed_at": now},
    }
    if resolution not in changes:
        raise ValueError(f"There is no resolution {resolution!r}; use one of {tuple(changes)}.")
    result = await session.execute(
        update(table)
        .where(table.subject == subject, table.action == action, table.status == REQUIRES_REVIEW)
        .values(changes[resolution])
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]
