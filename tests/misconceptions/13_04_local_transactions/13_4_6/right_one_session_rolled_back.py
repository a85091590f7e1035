from sqlalchemy.exc import DBAPIError

from lab_support.exercises.s13_04.codes import TRANSIENT, code_of


async def retry_transaction(sessions, work, *, sleep, random):
    wait, runs = 0.01, 0
    async with sessions() as session:
        while True:
            runs += 1
            try:
                result = await work(session)
                await session.commit()
                return result
            except DBAPIError as error:
                await session.rollback()
                if runs == 5 or code_of(error) not in TRANSIENT:
                    raise
            await sleep(min(wait, 1.0) * (0.5 + random()))
            wait *= 2
