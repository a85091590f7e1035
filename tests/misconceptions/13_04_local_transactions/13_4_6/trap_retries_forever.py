from collections.abc import Awaitable, Callable
from itertools import count
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
    for number in count():
        try:
            async with sessions.begin() as session:
                return await work(session)
        except DBAPIError as error:
            if code_of(error) not in TRANSIENT:
                raise
        await sleep(random() * 0.02 * 2 ** min(number, 6))
    raise AssertionError("unreachable")
