"""`lab rebuild order-summaries` beside a shop that is served, and what it refuses in one line."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from lab_support.cli import app
from lab_support.settings import Settings
from tests.services.split_processes import ended, lab, serving

ORDER = {"customer_id": "ada", "pay_by": "credit", "items": [{"sku": "MUG-2", "quantity": 2}]}


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LAB_{name.upper()}", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


def summaries(data: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(data / "gateway.db")) as file:
        shown = "SELECT status, stock FROM order_summaries WHERE generation = (SELECT shown FROM generations)"
        found: list[tuple[str, str]] = file.execute(shown).fetchall()
        return found


async def order(address: str) -> str:
    """Order something, wait for its end, and give its id."""
    async with httpx.AsyncClient(base_url=address) as client:
        location = str((await client.post("/orders", json=ORDER)).headers["Location"])
    await ended(address, location)
    return location.removeprefix("/orders/")


async def test_read_model_is_rebuilt_while_the_shop_is_served(tmp_path: Path) -> None:
    """Emptied by hand under the running gateway, and mended by a process beside it; the next order goes on."""
    with serving(tmp_path) as (_, address):
        for _ in range(2):
            await order(address)
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as file, file:
            file.execute("DELETE FROM order_summaries")
        with lab(
            "rebuild", "order-summaries", "--data", str(tmp_path), "--orders", address, "--json"
        ) as process:
            said, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert (process.returncode, errors) == (0, "")
        assert json.loads(said)["unreadable"] == []
        assert summaries(tmp_path) == [("APPROVED", "RESERVED")] * 2

        path = f"/shop/summaries/{await order(address)}"
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=address) as client:
            while (await client.get(path)).status_code == 404:  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shop-maps"], "There is no read model 'shop-maps'. Run: lab rebuild order-summaries"),
        (["order-summaries"], "Give --orders URL"),
        (["order-summaries", "--orders", "nonsense"], "LAB_ORDERS_AT is not usable"),
        (["order-summaries", "--orders", "http://127.0.0.1:1"], "nobody said where the data is"),
        (["order-summaries", "--orders", "http://127.0.0.1:1", "--data", "nowhere"], "no folder nowhere"),
        (["order-summaries", "--orders", "http://127.0.0.1:1", "--data", "."], "has no database"),
    ],
)
def test_what_cannot_be_rebuilt_is_told_in_one_line(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it."""
    monkeypatch.chdir(tmp_path)
    refused = run("rebuild", *arguments)

    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert told in refused.stderr
    assert refused.stderr.count("\n") == 1
