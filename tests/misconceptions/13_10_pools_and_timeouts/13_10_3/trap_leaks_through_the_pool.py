import time

from sqlalchemy import text

from lab_support.pools import Trouble, trouble_behind


async def run_within(engine, statement, seconds):
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f"SET statement_timeout = {round(seconds * 1000)}"))
            await connection.commit()
        else:
            driver = (await connection.get_raw_connection()).driver_connection
            ends = time.monotonic() + seconds
            await driver.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        try:
            return (await connection.execute(statement)).all()
        except Exception as error:
            if trouble_behind(error) is Trouble.TIMED_OUT:
                raise TimeoutError from error
            raise
