async def run_within(engine, statement, seconds):
    async with engine.connect() as connection:
        limited = statement.execution_options(timeout=seconds)
        return (await connection.execute(limited)).all()
