from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_04.codes import TRANSIENT, code_of

Result = TypeVar("Result")


async def retry_transaction(
    sessions: async_sessionmaker[AsyncSession],
    work: Callable[[AsyncSession], Awaitable[Result]],
    *,
    sleep: Callable[[float], Awaitable[None]],
    random: Callable[[], float],
) -> Result:
    async with sessions.begin() as session:
        for number in range(5):
            try:
                return await work(session)
            except DBAPIError as error:
                if code_of(error) not in TRANSIENT or number == 4:
                    raise
            await sleep(random() * 0.02 * 2**number)
    raise AssertionError("unreachable")
