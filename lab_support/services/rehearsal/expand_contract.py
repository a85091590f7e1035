"""The steps of a rename in their order, each under the traffic of the versions that meet in it.

Section:
    13.9, "Expand and contract"
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine, create_tables
from lab_support.pools import Timeouts
from lab_support.services.customers.entities import CustomersBase
from lab_support.services.rehearsal.report import Rehearsed
from lab_support.services.rehearsal.table import (
    Change,
    backfill,
    change_table,
    contract,
    differing,
    expand,
    relax,
    rename,
)
from lab_support.services.rehearsal.traffic import Traffic
from lab_support.services.rehearsal.versions import V1, V2, V3, V4, CodeVersion
from lab_support.services.revisions import migrating_engine

DDL_PATIENCE_S: Final = 1.0
"""How long a change of the table waits for a lock, in seconds, before it lets the others pass and tries again."""


class NotYetEqualError(RuntimeError):
    """Reads can't be switched: rows are left whose new column doesn't have the old one's value."""


async def rehearse(url: str | URL, *, customers: int = 200, operations: int = 20) -> Rehearsed:
    """Rename a column under traffic by expand, dual write, backfill, switched reads and contract.

    Args:
        url: An empty database, SQLite or PostgreSQL; its table `customers` is made and changed.
        customers: Rows that are there before.
        operations: How many each live version has to finish after each change.

    Returns:
        What the live code met at every stage.

    Raises:
        NotYetEqualError: The backfill did not do its work.
        RetriesExhaustedError: The table could not be changed for so much traffic.
        DatabaseUnreachableError: The database does not answer.

    Section:
        13.9, "Expand and contract"
    """
    async with rehearsal(url, customers=customers, operations=operations) as on:
        await on.step("before", (V1,))
        await on.step("expand", (V1,), expand)
        await on.step("dual write", (V1, V2))
        await on.fill_up("backfill, v1 still there", (V1, V2))
        await on.fill_up("backfill, the rest", (V2,))
        if left := await differing(on.changer):
            raise NotYetEqualError(
                f"{left} row(s) have another value in the new column; reads stay as they are."
            )
        await on.step("switch reads", (V2, V3))
        await on.step("let the old be empty", (V2, V3), relax)
        await on.step("write only the new", (V3, V4))
        await on.step("contract", (V4,), contract)
        return await on.ended(V4)


async def rename_at_once(url: str | URL, *, customers: int = 50, operations: int = 20) -> Rehearsed:
    """Rename the column in one statement, with the same traffic and arguments as `rehearse`: code breaks.

    Section:
        13.9, "Expand and contract"
    """
    async with rehearsal(url, customers=customers, operations=operations) as on:
        await on.step("before", (V1,))
        await on.step("rename", (V1,), rename)
        await on.step("new code beside old", (V1, V4))
        await on.step("new code alone", (V4,))
        return await on.ended(V4)


@dataclass(slots=True)
class Rehearsal:
    """The table, its traffic, and what was found so far; see `rehearsal`.

    Attributes:
        changer: Changes the table.
        traffic: Uses it.
        operations: How many each live version has to finish after each change.
        report: What was found.
    """

    changer: AsyncEngine
    traffic: Traffic
    operations: int
    report: Rehearsed

    async def step(self, name: str, live: tuple[CodeVersion, ...], change: Change | None = None) -> None:
        """Let these versions work, change the table under them, and let them work on."""
        await self.traffic.deploy(*live)
        self.report.stages.append(self.traffic.begin(name, live))
        if change is not None:
            await self.traffic.more(1)
            await change_table(self.changer, change)
        await self.traffic.more(self.operations)

    async def fill_up(self, name: str, live: tuple[CodeVersion, ...]) -> None:
        """Backfill while these versions work."""
        await self.step(name, live)
        self.report.stages[-1].changed = await backfill(self.changer)
        await self.traffic.more(self.operations)

    async def ended(self, version: CodeVersion) -> Rehearsed:
        """Stop the traffic and read every customer once more."""
        await self.traffic.deploy()
        self.report.stages.append(self.traffic.begin("after", (version,)))
        await self.traffic.verify(version)
        self.report.customers = self.traffic.customers
        return self.report


@asynccontextmanager
async def rehearsal(
    url: str | URL, *, customers: int = 200, operations: int = 20
) -> AsyncIterator[Rehearsal]:
    """Make the table of today with traffic on it, for steps of the caller's own; the arguments are `rehearse`'s."""
    engine = build_engine(url)
    changer = migrating_engine(url, timeouts=Timeouts(lock_s=DDL_PATIENCE_S))
    traffic = Traffic(engine)
    try:
        await create_tables(engine, CustomersBase.metadata)
        await traffic.fill(V1, customers)
        async with traffic.running():
            yield Rehearsal(changer, traffic, operations, Rehearsed())
    finally:
        await changer.dispose()
        await engine.dispose()
