"""The saga log: one row for each saga, which is all that a process must find to go on after a crash.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import JSON, String, Uuid
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.schema import Index, SchemaItem

from lab_support.database import UtcDateTime
from lab_support.sagas.definition import SagaDefinition
from lab_support.sagas.state import SagaState, Status

_NAME_LENGTH: Final = 100
_REASON_LENGTH: Final = 200


class SagaMixin:
    """The columns of a saga log; a service inherits them beside its own declarative base.

    `deadline_at` is empty unless an answer is waited for. `version` counts the changes: who writes a row without
    having locked it, and meets another's change, gets an error.

    Section:
        13.5, "The same operation, orchestrated"
    """

    __tablename__: Any = "sagas"

    saga_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    name: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    subject: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    status: Mapped[str] = mapped_column(String(20))
    step: Mapped[str | None] = mapped_column(String(_NAME_LENGTH))
    registered: Mapped[list[str]] = mapped_column(JSON())
    in_review: Mapped[list[str]] = mapped_column(JSON())
    data: Mapped[dict[str, Any]] = mapped_column(JSON())
    attempts: Mapped[int] = mapped_column()
    deadline_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    failed_step: Mapped[str | None] = mapped_column(String(_NAME_LENGTH))
    reason: Mapped[str | None] = mapped_column(String(_REASON_LENGTH))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column()

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem | dict[str, Any], ...]:
        """Find by an index what is due, and the saga of a subject."""
        name = cls.__tablename__
        return (Index(f"ix_{name}_due", "deadline_at"), Index(f"ix_{name}_subject", "subject"), {})

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """Have SQLAlchemy compare and count the version with each change."""
        return {"version_id_col": cls.version}


def read(row: SagaMixin, definition: SagaDefinition) -> SagaState:
    """Read a row's state.

    Raises:
        pydantic.ValidationError: Its data are not of the definition's type, such as after an incompatible release.
    """
    return SagaState(
        status=cast("Status", row.status),
        step=row.step,
        data=definition.data.model_validate(row.data),
        registered=tuple(row.registered),
        in_review=tuple(row.in_review),
        attempts=row.attempts,
        failed_step=row.failed_step,
        reason=row.reason,
    )


def write(row: SagaMixin, state: SagaState) -> None:
    """Write a state into a row; the session sends it."""
    row.status, row.step, row.attempts = state.status, state.step, state.attempts
    row.registered, row.in_review = list(state.registered), list(state.in_review)
    row.data = state.data.model_dump(mode="json")
    row.failed_step = state.failed_step
    row.reason = None if state.reason is None else state.reason[:_REASON_LENGTH]
