"""A column is renamed under traffic: the long way nobody notices, and each short cut is noticed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import inspect

from lab_support.database import build_engine
from lab_support.services.customers.entities import Customer
from lab_support.services.rehearsal import V1, V2, V3, V4, Rehearsed, rehearsal, rehearse, rename_at_once
from lab_support.services.rehearsal.table import backfill, contract, differing, expand, rename

SMALL = {"customers": 60, "operations": 10}

pytestmark = pytest.mark.parametrize(
    "backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)


@pytest.fixture(autouse=True)
async def never_hangs() -> AsyncIterator[None]:
    async with asyncio.timeout(100):
        yield


async def columns(url: str) -> dict[str, bool]:
    """Give each column of the customers, and whether it may be empty."""
    engine = build_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_columns(Customer.__tablename__))
    await engine.dispose()
    return {one["name"]: one["nullable"] for one in found}


def met(report: Rehearsed) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.live for stage in report.stages}


async def test_nobody_notices_the_long_way(database_url: str) -> None:
    """Old and new code read and write at every step: no error, no name lost, and the old column is gone."""
    report = await rehearse(database_url, **SMALL)

    assert report.unnoticed, report.rows()
    assert met(report) == {
        "before": ("v1",),
        "expand": ("v1",),
        "dual write": ("v1", "v2"),
        "backfill, v1 still there": ("v1", "v2"),
        "backfill, the rest": ("v2",),
        "switch reads": ("v2", "v3"),
        "let the old be empty": ("v2", "v3"),
        "write only the new": ("v3", "v4"),
        "contract": ("v4",),
        "after": ("v4",),
    }
    for stage in report.stages[:-1]:
        assert all(stage.done[version] >= SMALL["operations"] for version in stage.live), stage
    found = await columns(database_url)
    assert "name" not in found
    assert found["full_name"] is False
    assert report.customers > SMALL["customers"]


async def test_table_keeps_its_rules_on_the_way(database_url: str) -> None:
    """A table that SQLite has to make anew still refuses a negative credit."""
    await rehearse(database_url, **SMALL)

    engine = build_engine(database_url)
    async with engine.connect() as connection:
        checks = await connection.run_sync(lambda sync: inspect(sync).get_check_constraints("customers"))
    await engine.dispose()

    assert [one["name"] for one in checks] == ["ck_customers_credit_not_negative"]


async def test_rename_in_one_step_breaks_the_old_code(database_url: str) -> None:
    """The old code fails from that moment on until it is gone; the new code could not have come earlier."""
    report = await rename_at_once(database_url, **SMALL)

    failed = {stage.name: set(stage.failed) for stage in report.stages}
    assert not report.unnoticed
    assert failed == {
        "before": set(),
        "rename": {"v1"},
        "new code beside old": {"v1"},
        "new code alone": set(),
        "after": set(),
    }
    assert "name" in str(report.stages[1].first_error)


async def test_reads_switched_before_the_backfill_lose_names(database_url: str) -> None:
    """The new column is empty for who was there before."""
    async with rehearsal(database_url, **SMALL) as on:
        await on.step("expand", (V1,), expand)
        await on.step("dual write", (V2,))
        await on.step("switch reads", (V2, V3))
        report = await on.ended(V3)

    assert report.errors == 0
    assert report.lost
    assert "v3 read None" in report.lost[0]


async def test_old_code_left_beside_the_switched_one_loses_names(database_url: str) -> None:
    """What v1 writes after the backfill is not in the new column."""
    async with rehearsal(database_url, **SMALL) as on:
        await on.step("expand", (V1,), expand)
        await on.fill_up("backfill", (V1, V2))
        await on.step("switch reads", (V1, V3))
        await on.step("more of it", (V1, V3))
        report = await on.ended(V3)

    assert report.errors == 0
    assert report.lost


async def test_new_code_before_the_old_column_may_be_empty_fails(database_url: str) -> None:
    """Its new customers have no old name, which the table still demands."""
    async with rehearsal(database_url, customers=5, operations=120) as on:
        await on.step("expand", (V1,), expand)
        await on.fill_up("backfill", (V2,))
        await on.step("write only the new", (V3, V4))
        report = await on.ended(V3)

    assert report.errors > 0
    assert set(report.stages[-2].failed) == {"v4"}


async def test_contract_under_code_that_writes_the_old_column_fails(database_url: str) -> None:
    """The column is dropped when v3 is gone, and no earlier."""
    async with rehearsal(database_url, **SMALL) as on:
        await on.step("expand", (V1,), expand)
        await on.fill_up("backfill", (V2,))
        await on.step("contract", (V3,), contract)
        report = await on.ended(V4)

    assert set(report.stages[-2].failed) == {"v3"}


async def test_failed_change_leaves_the_table_and_its_traffic(database_url: str) -> None:
    """A change that the database refuses comes out as its error, and the traffic ends in peace."""
    async with rehearsal(database_url, **SMALL) as on:
        await on.step("rename", (V4,), rename)
        with pytest.raises(Exception, match="name"):
            await on.step("again", (V4,), rename)
        report = await on.ended(V4)

    assert report.lost == []
    assert "full_name" in await columns(database_url)


async def test_backfill_is_finished_once_and_undoes_nothing(database_url: str) -> None:
    """A second run finds nothing to do, whatever the size of its batches."""
    async with rehearsal(database_url, **SMALL) as on:
        await on.step("expand", (V1,), expand)
        await on.traffic.deploy()
        assert await differing(on.changer) > 0

        changed = [await backfill(on.changer, batch=7), await backfill(on.changer, batch=1000)]

        assert changed == [on.traffic.customers, 0]
        assert await differing(on.changer) == 0
        assert (await on.ended(V3)).unnoticed
