"""The code of a service in the four versions that a rename takes; each is right about one state of the table, or two.

Section:
    13.9, "Expand and contract"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Numeric, column, insert, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection

OLD: Final = "name"
NEW: Final = "full_name"

_customers = table(
    "customers", column("id"), column("email"), column("credit", Numeric(12, 2)), column(OLD), column(NEW)
)
_id: ColumnElement[str] = _customers.c.id


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """How one version of the code keeps a customer's name. Every column is named: no `SELECT *`, which would break.

    Attributes:
        name: The version.
        writes: The columns in which it keeps the name.
        reads: The column that it believes.
    """

    name: str
    writes: tuple[str, ...]
    reads: str

    async def add(self, connection: AsyncConnection, customer: str, name: str) -> None:
        """Write a new customer; the caller commits."""
        row = {"id": customer, "email": f"{customer}@example.com", "credit": 100} | self._named(name)
        await connection.execute(insert(_customers).values(row))

    async def rename(self, connection: AsyncConnection, customer: str, name: str) -> None:
        """Give a customer another name; the caller commits."""
        await connection.execute(update(_customers).where(_id == customer).values(self._named(name)))

    async def read(self, connection: AsyncConnection, customer: str) -> str | None:
        """Tell a customer's name; None where this version finds none."""
        name: str | None = await connection.scalar(select(_customers.c[self.reads]).where(_id == customer))
        return name

    def _named(self, name: str) -> dict[str, str]:
        return dict.fromkeys(self.writes, name)


V1: Final = CodeVersion("v1", writes=(OLD,), reads=OLD)
"""Of today: knows only the old column."""

V2: Final = CodeVersion("v2", writes=(OLD, NEW), reads=OLD)
"""Dual write: keeps both columns, and believes the old one, which v1 keeps too."""

V3: Final = CodeVersion("v3", writes=(OLD, NEW), reads=NEW)
"""Reads switched: still keeps both, for v2 reads the old one."""

V4: Final = CodeVersion("v4", writes=(NEW,), reads=NEW)
"""Of tomorrow: knows only the new column."""
