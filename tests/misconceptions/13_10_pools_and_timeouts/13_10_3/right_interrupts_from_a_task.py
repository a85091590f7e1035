import asyncio
import sqlite3

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


async def run_within(engine, statement, seconds):
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            driver = (await connection.get_raw_connection()).driver_connection
            running = asyncio.create_task(connection.execute(statement))
            done, _ = await asyncio.wait({running}, timeout=seconds)
            while not running.done():
                await driver.interrupt()
                await asyncio.wait({running}, timeout=0.01)
        else:
            await connection.execute(text(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}"))
            running = connection.execute(statement)
        try:
            return (await running).all()
        except DBAPIError as error:
            stopped = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
            if stopped or getattr(error.orig, "sqlstate", None) == "57014":
                raise TimeoutError(f"Stopped after {seconds} s.") from error
            raise
