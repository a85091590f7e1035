"""Repositories in memory: for tests of services, and to see what the protocol demands of any other.

Section:
    13.3, "In memory: a dictionary that behaves"
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic

from lab_support.repositories.columns import check_changes, column_names, primary_key
from lab_support.repositories.errors import DuplicateError
from lab_support.repositories.protocol import Id, KeysetPage, Row, check_window


class InMemoryRepository(Generic[Row, Id]):
    """Entities of one mapped class in a dictionary. Only their columns are kept.

    Every entity that goes in or comes out is copied, so that nobody changes what is stored by changing what they hold.
    There is no transaction, and of a table's constraints only uniqueness.
    """

    def __init__(
        self,
        entity: type[Row],
        *,
        new_id: Callable[[], Id],
        defaults: Mapping[str, Callable[[], Any]],
        on_update: Mapping[str, Callable[[], Any]],
        unique: Collection[str] = (),
    ) -> None:
        self._entity = entity
        self._names = column_names(entity)
        self._key = primary_key(entity).key
        self._new_id, self._defaults, self._on_update = new_id, defaults, on_update
        self._unique = unique
        self._kept: dict[Id, Row] = {}

    async def get_by_id(self, id_: Id, /) -> Row | None:
        """Give a copy of the entity with this id."""
        return self._copy(self._kept[id_]) if id_ in self._kept else None

    async def get_all(self, *, skip: int = 0, limit: int = 100) -> Sequence[Row]:
        """Give copies of at most `limit` entities in the order of their ids, after leaving out `skip`."""
        return self._find(skip=skip, limit=limit)

    async def create(self, entity: Row, /) -> Row:
        """Give the entity its id and defaults, and keep a copy."""
        for name, default in {self._key: self._new_id, **self._defaults}.items():
            if getattr(entity, name) is None:
                setattr(entity, name, default())
        id_ = getattr(entity, self._key)
        if id_ in self._kept:
            raise DuplicateError(self._entity.__name__)
        self._keep(id_, self._copy(entity))
        return entity

    async def update(self, id_: Id, changes: Mapping[str, Any], /) -> Row | None:
        """Set the named columns of what is kept, and give a copy."""
        check_changes(self._entity, changes)
        if id_ not in self._kept:
            return None
        if changes:
            changed = self._copy(self._kept[id_])
            moved = {name: now() for name, now in self._on_update.items()}
            for name, value in (moved | dict(changes)).items():
                setattr(changed, name, value)
            self._keep(id_, changed)
        return self._copy(self._kept[id_])

    async def delete(self, id_: Id, /) -> bool:
        """Forget the entity; its id is never given again."""
        return self._kept.pop(id_, None) is not None

    def _find(
        self, condition: Callable[[Row], bool] | None = None, *, skip: int = 0, limit: int = 100
    ) -> Sequence[Row]:
        """Give copies of those for which the condition holds, in the order of their ids."""
        check_window(skip, limit)
        return [self._copy(entity) for entity in self._sorted(condition)[skip : skip + limit]]

    def _page(
        self, condition: Callable[[Row], bool] | None = None, *, after: Any = None, limit: int = 100
    ) -> KeysetPage[Row, Id]:
        """Give copies of those after an id, and where the next page begins."""
        check_window(0, limit)
        found = [entity for entity in self._sorted(condition) if after is None or self._id_of(entity) > after]
        items = [self._copy(entity) for entity in found[:limit]]
        return KeysetPage(items, self._id_of(items[-1]) if len(found) > limit else None)

    def _sorted(self, condition: Callable[[Row], bool] | None) -> list[Row]:
        found = [entity for entity in self._kept.values() if condition is None or condition(entity)]
        return sorted(found, key=self._id_of)

    def _keep(self, id_: Id, entity: Row) -> None:
        others = [other for other_id, other in self._kept.items() if other_id != id_]
        for name in self._unique:
            if getattr(entity, name) in (getattr(other, name) for other in others):
                raise DuplicateError(self._entity.__name__)
        self._kept[id_] = entity

    def _id_of(self, entity: Row) -> Any:
        return getattr(entity, self._key)

    def _copy(self, entity: Row) -> Row:
        return self._entity(**{name: getattr(entity, name) for name in self._names})
