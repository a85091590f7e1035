"""Repositories over SQLAlchemy: a base to inherit from, bound to the session of whoever commits.

Section:
    13.3, "A generic base, and what is special about gift cards"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CursorResult,
    Integer,
    Select,
    SmallInteger,
    delete,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.interfaces import ORMOption

from lab_support.repositories.columns import check_changes, primary_key
from lab_support.repositories.protocol import Id, KeysetPage, Row, check_window
from lab_support.repositories.violations import named_violations


class SqlAlchemyRepository(Generic[Row, Id]):
    """The entities of one mapped class that one session can see.

    It neither opens, commits nor closes the session, and reads nothing that was not asked for. A subclass names the
    class and adds the questions of its own domain, built on `_first`, `_find` and `_page`.
    """

    def __init__(self, session: AsyncSession, entity: type[Row], *, load: Sequence[ORMOption] = ()) -> None:
        self._session = session
        self._entity = entity
        self._key = primary_key(entity)
        self._load = load

    async def get_by_id(self, id_: Id, /) -> Row | None:
        """Give the entity with this id; one that somebody holds and the session knows costs no query."""
        return await self._session.get(self._entity, id_, options=self._load) if self._possible(id_) else None

    async def get_all(self, *, skip: int = 0, limit: int = 100) -> Sequence[Row]:
        """Give at most `limit` entities in the order of their ids, after leaving out `skip`."""
        return await self._find(skip=skip, limit=limit)

    async def create(self, entity: Row, /) -> Row:
        """Write a new entity, so that it has its id and defaults."""
        self._session.add(entity)
        with named_violations(self._entity.__name__):
            await self._session.flush()
        return entity

    async def update(self, id_: Id, changes: Mapping[str, Any], /) -> Row | None:
        """Set the named columns in one statement, then read the row.

        Between a read and the write that follows it somebody else may change or delete the row; here is no such gap.
        """
        check_changes(self._entity, changes)
        if not self._possible(id_):
            return None
        if changes:
            statement = update(self._entity).where(self._key == id_).values(**changes)
            with named_violations(self._entity.__name__):
                await self._session.execute(statement, execution_options={"synchronize_session": False})
        return await self._session.get(self._entity, id_, options=self._load, populate_existing=True)

    async def delete(self, id_: Id, /) -> bool:
        """Remove the row in one statement."""
        if not self._possible(id_):
            return False
        with named_violations(self._entity.__name__):
            done = await self._session.execute(delete(self._entity).where(self._key == id_))
        return cast("CursorResult[Any]", done).rowcount > 0

    async def _first(self, *conditions: ColumnElement[bool]) -> Row | None:
        """Give the entity with the lowest id for which all conditions hold."""
        return (await self._session.scalars(self._select(*conditions).limit(1))).first()

    async def _find(self, *conditions: ColumnElement[bool], skip: int = 0, limit: int = 100) -> Sequence[Row]:
        """Give those for which all conditions hold, in the order of their ids."""
        check_window(skip, limit)
        return (await self._session.scalars(self._select(*conditions).offset(skip).limit(limit))).all()

    async def _page(
        self, *conditions: ColumnElement[bool], after: Id | None = None, limit: int = 100
    ) -> KeysetPage[Row, Id]:
        """Give a page that begins after an id, however deep, at the price of the first page.

        The id is unique, so rows that come or go between two pages make no other row appear twice or never. One row
        more than the page is read, to know whether there is a next one.
        """
        check_window(0, limit)
        beyond = () if after is None else (self._key > after,)
        query = self._select(*conditions, *beyond).limit(limit + 1)
        found = (await self._session.scalars(query)).all()
        items = found[:limit]
        return KeysetPage(items, getattr(items[-1], self._key.key) if len(found) > limit else None)

    def _select(self, *conditions: ColumnElement[bool]) -> Select[Row]:
        return select(self._entity).where(*conditions).order_by(self._key).options(*self._load)

    def _possible(self, id_: Id) -> bool:
        """Tell whether the key's column could hold the id; a driver would call it an error to ask for another."""
        kind = self._key.type
        if not isinstance(kind, Integer):
            return True
        bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
        return bool(-(2**bits) <= cast("int", id_) < 2**bits)
