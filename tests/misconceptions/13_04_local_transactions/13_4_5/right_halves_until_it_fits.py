from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.articles import Article


async def import_articles(session: AsyncSession, rows: list[dict[str, Any]], first: int = 1) -> list[int]:
    try:
        async with session.begin_nested():
            session.add_all([Article(**row) for row in rows])
        return []
    except IntegrityError:
        if len(rows) == 1:
            return [first]
    half = len(rows) // 2
    refused = await import_articles(session, rows[:half], first)
    return refused + await import_articles(session, rows[half:], first + half)
