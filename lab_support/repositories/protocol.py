"""What every repository can do. A service names this, and never the class behind it.

Section:
    13.3, "The protocol: what the service needs"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy.orm import DeclarativeBase

Entity = TypeVar("Entity")
Row = TypeVar("Row", bound=DeclarativeBase)
"""An entity that is a mapped class."""
Id = TypeVar("Id")
AskedId = TypeVar("AskedId", contravariant=True)


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[Entity, Id]):
    """A page of entities, and where the next one begins.

    Attributes:
        items: In the order of their ids.
        next: The id after which the next page begins; None when there is nothing after this page.
    """

    items: Sequence[Entity]
    next: Id | None


class Repository(Protocol[Entity, AskedId]):
    """A collection of entities. It never commits: who opened the transaction ends it.

    What it hands out is to be read. Changes go through `update`: how much of an entity's own attributes is ever
    written is the business of what keeps it.
    """

    async def get_by_id(self, id_: AskedId, /) -> Entity | None:
        """Give the entity with this id, if there is one."""
        ...

    async def get_all(self, *, skip: int = 0, limit: int = 100) -> Sequence[Entity]:
        """Give at most `limit` entities in the order of their ids, after leaving out `skip`.

        Raises:
            ValueError: `skip` is below 0 or `limit` below 1.
        """
        ...

    async def create(self, entity: Entity, /) -> Entity:
        """Add an entity and give it its id, one that no other ever had, and the defaults of what it leaves out.

        Raises:
            DuplicateError: Another one has a value that must be unique.
        """
        ...

    async def update(self, id_: AskedId, changes: Mapping[str, Any], /) -> Entity | None:
        """Set the named columns, leave the others, and give the changed entity, if there is one.

        Raises:
            DuplicateError: Another one has a value that must be unique.
            UnknownColumnError: A name is not that of a column, or is the id's.
        """
        ...

    async def delete(self, id_: AskedId, /) -> bool:
        """Remove the entity, and tell whether there was one.

        Raises:
            BrokenReferenceError: Something refers to it.
        """
        ...


def check_window(skip: int, limit: int) -> None:
    """Refuse a window that engines would understand differently (SQLite takes a limit of -1 for "no limit").

    Raises:
        ValueError: `skip` is below 0 or `limit` below 1.
    """
    if skip < 0 or limit < 1:
        raise ValueError(f"A page needs skip >= 0 and limit >= 1, not skip={skip} and limit={limit}.")
