"""What the judge of 13.9 sees with: a clock that jumps, services that fail, and who opens which database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from lab_support.database import build_engine
from lab_support.exercises.s13_09.fake_services import Calls, FakeService
from lab_support.exercises.s13_09.ownership import Ownership
from lab_support.exercises.s13_09.shared_shop import SharedCatalogue, SharedInventory
from lab_support.exercises.s13_09.virtual_time import run_in_virtual_time

ANSWERS = {"how": "answers", "after_s": 0.5, "status": 200, "body": '{"a": 1}'}


def test_virtual_hours_pass_at_once():
    """A sleep of an hour takes an hour of the loop's time."""

    async def work():
        await asyncio.sleep(3600)
        return "done"

    took = run_in_virtual_time(work(), limit_s=7200)

    assert (took.value, took.ended) == ("done", True)
    assert took.seconds == pytest.approx(3600)


def test_sleeps_at_the_same_time_overlap():
    """Two sleeps at once take as long as the longer one."""

    async def work():
        await asyncio.gather(asyncio.sleep(2), asyncio.sleep(5))

    assert run_in_virtual_time(work(), limit_s=60).seconds == pytest.approx(5)


def test_wait_for_what_never_happens_does_not_end():
    """Who waits for a future that nobody resolves is told apart from who ends."""

    async def work():
        await asyncio.get_running_loop().create_future()

    assert not run_in_virtual_time(work(), limit_s=60).ended


def test_endless_ticking_ends_at_the_limit():
    """A loop of sleeps for ever is stopped at the limit, and its clean-up runs."""
    cleaned = []

    async def work():
        try:
            while True:  # noqa: ASYNC110 - what it does for ever is the question
                await asyncio.sleep(1)
        finally:
            cleaned.append(True)

    took = run_in_virtual_time(work(), limit_s=60)

    assert not took.ended
    assert took.seconds <= 60
    assert cleaned == [True]


async def test_virtual_time_runs_inside_another_loop():
    """The loop outside goes on afterwards, with its own clock."""
    outer = asyncio.get_running_loop()

    assert run_in_virtual_time(asyncio.sleep(60, "inner"), limit_s=100).value == "inner"
    assert asyncio.get_running_loop() is outer
    await asyncio.sleep(0)


def test_error_of_the_work_comes_out():
    """What the coroutine raises is raised."""

    async def work():
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        run_in_virtual_time(work(), limit_s=1)


def asked(behaviour, *, timeout=None, path="/orders/1"):
    """Call one fake service; return the answer or the error, the virtual seconds, and the calls left open."""
    calls = Calls()

    async def work():
        transport = FakeService(calls, "/orders/1", ANSWERS | behaviour)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", timeout=timeout) as client:
            try:
                return await client.get(path)
            except httpx.HTTPError as error:
                return error

    took = run_in_virtual_time(work(), limit_s=30)
    return took, calls.open


def test_fake_service_answers_after_its_time():
    """It answers with its body after the time it was given, and its call is over."""
    took, left = asked({})

    assert took.value.json() == {"a": 1}
    assert took.seconds == pytest.approx(0.5)
    assert left == 0


@pytest.mark.parametrize(
    ("behaviour", "timeout", "error"),
    [({"how": "refuses"}, None, httpx.ConnectError), ({"how": "hangs"}, 2.0, httpx.ReadTimeout)],
)
def test_fake_service_fails_as_httpx_does(behaviour, timeout, error):
    """A refused connection and a read timeout are httpx's own errors, and leave no call behind."""
    took, left = asked(behaviour, timeout=timeout)

    assert isinstance(took.value, error)
    assert left == 0


def test_read_timeout_does_not_end_a_dripping_body():
    """A byte now and then keeps every read in time, and the whole is never done."""
    took, _ = asked({"how": "drips"}, timeout=1.0)

    assert not took.ended


def test_other_path_is_unknown():
    """A fake service knows its one path only."""
    assert asked({}, path="/other")[0].value.status_code == 404


def test_file_opened_in_another_thread_is_ascribed(tmp_path):
    """A bare driver in a thread of its own is seen, too."""
    with Ownership({"stock": "stock_1.db"}) as ownership, ownership.by("catalogue"):
        worker = threading.Thread(target=lambda: sqlite3.connect(tmp_path / "stock_1.db").close())
        worker.start()
        worker.join()

    assert ownership.opened == {"catalogue": {"stock"}}


async def test_attached_file_is_ascribed(tmp_path):
    """ATTACH opens a database without any call of Python's, and is seen in the statement."""
    engine = build_engine(f"sqlite:///{(tmp_path / 'pages_1.db').as_posix()}")
    with Ownership({"pages": "pages_1.db", "stock": "stock_1.db"}) as ownership, ownership.by("catalogue"):
        async with engine.connect() as connection:
            await connection.execute(
                text("ATTACH DATABASE :file AS other"), {"file": str(tmp_path / "stock_1.db")}
            )
    await engine.dispose()

    assert ownership.opened == {"catalogue": {"pages", "stock"}}


def test_nothing_is_noted_afterwards(tmp_path):
    """The audit hook stays in the process for good, and tells nobody when nobody listens."""
    with Ownership({"stock": "stock_1.db"}) as ownership:
        pass
    sqlite3.connect(tmp_path / "stock_1.db").close()

    assert ownership.opened == {}


async def test_services_on_one_table_share_its_class(tmp_path: Path):
    """The shop as it is given works, and both of its services use one mapped table."""
    url = f"sqlite:///{(tmp_path / 'shop.db').as_posix()}"
    catalogue, inventory = SharedCatalogue(url), SharedInventory(url)
    with Ownership({}) as ownership:
        with ownership.by("catalogue"):
            await catalogue.start()
            await catalogue.add("LAMP-7", "Lamp", 5)
        with ownership.by("inventory"):
            await inventory.receive("LAMP-7", 9)
            assert await inventory.reserve("LAMP-7", 4)
            assert not await inventory.reserve("LAMP-7", 6)
            assert await inventory.free("LAMP-7") == 5
    page = await catalogue.page("LAMP-7")
    for service in (catalogue, inventory):
        await service.close()

    assert page["free"] == 5
    assert ownership.shared_tables == ["products"]
