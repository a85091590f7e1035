"""The application stops in the middle of its work, and says nothing about it."""

import asyncio
import logging
from pathlib import Path

import pytest

from lab_support.services import create_app, running_app
from lab_support.settings import Settings

ORDER = {"customer_id": "ada", "pay_by": "credit", "items": [{"sku": "MUG-2", "quantity": 1}]}


SPLIT = ("orders", "customers", "payments", "inventory")


@pytest.mark.parametrize("orders", [0, 3])
async def test_shutdown_cuts_no_statement_in_two(
    orders: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """However far relays, readers and workers are when the end comes, no connection is lost."""
    with caplog.at_level(logging.WARNING):
        for steps in range(0, 240, 24):
            app = create_app(Settings(data=tmp_path / str(steps)), only=SPLIT)
            async with running_app(app=app) as client:
                for _ in range(orders):
                    assert (await client.post("/orders", json=ORDER)).status_code == 202
                for _ in range(steps):
                    await asyncio.sleep(0)

    assert [record.getMessage() for record in caplog.records] == []
