import asyncio


async def run_within(engine, statement, seconds):
    async with engine.connect() as connection, asyncio.timeout(seconds):
        return (await connection.execute(statement)).all()
