import time
from contextlib import asynccontextmanager

from sqlalchemy import text

from lab_support.pools import Trouble, trouble_behind


@asynccontextmanager
async def limited(connection, seconds):
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SET statement_timeout = {round(seconds * 1000)}"))
        await connection.commit()
        try:
            yield
        finally:
            await connection.rollback()
            await connection.execute(text("RESET statement_timeout"))
            await connection.commit()
        return
    driver = (await connection.get_raw_connection()).driver_connection
    ends = time.monotonic() + seconds
    await driver.set_progress_handler(lambda: time.monotonic() > ends, 1_000)
    try:
        yield
    finally:
        await driver.set_progress_handler(None, 0)


async def run_within(engine, statement, seconds):
    async with engine.connect() as connection:
        try:
            async with limited(connection, seconds):
                return (await connection.execute(statement)).fetchall()
        except Exception as error:
            if trouble_behind(error) is Trouble.TIMED_OUT:
                raise TimeoutError("too slow") from error
            raise
