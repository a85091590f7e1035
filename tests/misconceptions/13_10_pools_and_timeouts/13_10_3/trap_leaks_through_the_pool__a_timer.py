import asyncio

from sqlalchemy import text

from lab_support.pools import Trouble, trouble_behind


async def run_within(engine, statement, seconds):
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
        else:
            driver = (await connection.get_raw_connection()).driver_connection

            async def stop():
                await asyncio.sleep(seconds)
                await driver.interrupt()

            connection.info["timer"] = asyncio.create_task(stop())
        try:
            return (await connection.execute(statement)).all()
        except Exception as error:
            if trouble_behind(error) is Trouble.TIMED_OUT:
                raise TimeoutError from error
            raise
