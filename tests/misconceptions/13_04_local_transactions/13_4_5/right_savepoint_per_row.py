from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.articles import Article


async def import_articles(session: AsyncSession, rows: list[dict[str, Any]]) -> list[int]:
    refused = []
    for number, row in enumerate(rows, start=1):
        try:
            async with session.begin_nested():
                session.add(Article(**row))
        except IntegrityError:
            refused.append(number)
    return refused
