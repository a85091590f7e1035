from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.articles import Article


async def import_articles(session: AsyncSession, rows: list[dict[str, Any]]) -> list[int]:
    await session.flush()
    refused = []
    for number, row in enumerate(rows, start=1):
        savepoint = await session.begin_nested()
        try:
            await session.execute(insert(Article).values(row))
            await savepoint.commit()
        except DBAPIError:
            await savepoint.rollback()
            refused.append(number)
    return refused
