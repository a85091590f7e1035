import asyncio


async def run_within(engine, statement, seconds):
    async def run():
        async with engine.connect() as connection:
            return (await connection.execute(statement)).all()

    return await asyncio.wait_for(run(), seconds)
