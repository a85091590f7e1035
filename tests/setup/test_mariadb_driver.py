"""Why PyMySQL is held below 1.2.1 (docs/decisions/0001): run this before lifting the bound."""

from __future__ import annotations

import pytest
from sqlalchemy import LargeBinary, bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.mark.mariadb
@pytest.mark.parametrize("backend", ["mariadb"])
async def test_driver_sends_bytes(engine: AsyncEngine) -> None:
    """A parameter of type bytes reaches the server unharmed; with PyMySQL 1.2.1 to 1.2.4 it raises TypeError."""
    sent = bytes(range(256))

    async with engine.connect() as connection:
        received = await connection.scalar(select(bindparam("sent", sent, LargeBinary)))

    assert received == sent
