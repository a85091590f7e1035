"""What every table shares: names for constraints, a readable repr, times in UTC.

Section:
    13.1, "The shop's table, and a common base"
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, MetaData, inspect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> datetime:
    """Return this moment as an aware time in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, to the microsecond; aware in Python on every engine, stored in UTC.

    SQLite and MariaDB keep no time zone: they store the UTC reading, and it comes back aware.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Ask MySQL and MariaDB for microseconds, which they drop by default."""
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import DATETIME  # loaded with the dialect; nobody else pays for it

            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into UTC.

        Raises:
            ValueError: The time is naive, so nobody can tell which moment is meant.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use an aware time such as datetime.now(UTC).")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give every stored moment back as an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class server_utc_now(GenericFunction[datetime]):  # noqa: N801
    """The server's own clock in UTC, for `server_default`; rows written without Python get a time too."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(server_utc_now)
def _standard(*_: Any, **__: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(server_utc_now, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(server_utc_now, "mysql")
@compiles(server_utc_now, "mariadb")
def _mysql(*_: Any, **__: Any) -> str:
    return "(UTC_TIMESTAMP(6))"


class TableBase:
    """What every declarative base shares; a service of its own inherits it beside `DeclarativeBase`.

    `class OrdersBase(TableBase, DeclarativeBase)` with metadata of its own has a registry of its own: two services may
    both have a class called `Product`.
    """

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime()}

    def __repr__(self) -> str:
        """Show class and primary key only: a repr must neither load anything nor print a secret."""
        state = inspect(self)
        names = [str(column.key) for column in state.mapper.primary_key]
        shown = ", ".join(f"{name}={state.dict.get(name)!r}" for name in names)
        return f"<{type(self).__name__} {shown}>"


class Base(TableBase, DeclarativeBase):
    """The parent of every mapped class."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class TimestampMixin:
    """When a row was made and last changed, as aware UTC times.

    Python sets both, so that nothing has to be read back after a flush; the server's default serves
    other writers.
    """

    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime(), default=utc_now, server_default=server_utc_now(), sort_order=900
    )
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime(), default=utc_now, onupdate=utc_now, server_default=server_utc_now(), sort_order=901
    )
