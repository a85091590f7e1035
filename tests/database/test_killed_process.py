"""A process that is really killed (SIGKILL) in the middle of its transaction, on each engine."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from database_tables import Counter, Mark, number_of, one_counter, value_of_counter
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

import lab_support
from lab_support.database import unit_of_work


@pytest.mark.parametrize(("moment", "kept"), [("halfway", 0), ("after commit", 1)])
async def test_killed_process_leaves_all_or_nothing(
    engine: AsyncEngine,
    sessions: async_sessionmaker[AsyncSession],
    database_url: str,
    moment: str,
    kept: int,
) -> None:
    """Killed before its commit it leaves no row and no lock; killed after it, everything."""
    await one_counter(engine)
    script = Path(__file__).with_name("dying_process.py")
    here = {**os.environ, "PYTHONPATH": str(Path(lab_support.__file__).parents[1])}  # this very code
    victim = await asyncio.create_subprocess_exec(
        sys.executable, str(script), database_url, moment, stdout=asyncio.subprocess.PIPE, env=here
    )
    try:
        async with asyncio.timeout(30):
            assert victim.stdout is not None
            assert (await victim.stdout.readline()).decode().strip() == moment
    finally:
        if victim.returncode is None:
            victim.kill()
        assert await victim.wait() == -signal.SIGKILL

    assert (await value_of_counter(sessions), await number_of(sessions, Mark)) == (-kept, kept)
    async with unit_of_work(sessions) as uow:  # waits for the dead one's lock, should it have left one
        await uow.session.execute(update(Counter).values(value=100))
        await uow.commit()
    assert await value_of_counter(sessions) == 100
