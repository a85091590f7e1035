from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

Result = TypeVar("Result")


async def retry_transaction(
    sessions: async_sessionmaker[AsyncSession],
    work: Callable[[AsyncSession], Awaitable[Result]],
    *,
    sleep: Callable[[float], Awaitable[None]],
    random: Callable[[], float],
) -> Result:
    for number in range(5):
        try:
            async with sessions.begin() as session:
                return await work(session)
        except DBAPIError:
            if number == 4:
                raise
        await sleep(random() * 0.02 * 2**number)
    raise AssertionError("unreachable")
