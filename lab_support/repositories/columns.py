"""The columns of a mapped class, by the names of their attributes.

Section:
    13.3, "A generic base, and what is special about gift cards"
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

from lab_support.repositories.errors import UnknownColumnError


def primary_key(entity: type[DeclarativeBase]) -> InstrumentedAttribute[Any]:
    """Give the attribute that is the key of a mapped class.

    Raises:
        TypeError: The key has several columns.
    """
    mapper = inspect(entity)
    if len(mapper.primary_key) != 1:
        raise TypeError(
            f"{entity.__name__} has a key of several columns; a repository here needs one of one."
        )
    key: InstrumentedAttribute[Any] = getattr(
        entity, mapper.get_property_by_column(mapper.primary_key[0]).key
    )
    return key


def column_names(entity: type[DeclarativeBase]) -> frozenset[str]:
    """Give the names of the attributes that are columns; relationships are not among them."""
    return frozenset(attribute.key for attribute in inspect(entity).column_attrs)


def check_changes(entity: type[DeclarativeBase], names: Iterable[str]) -> None:
    """Refuse names that are no columns, and the name of the key.

    Raises:
        UnknownColumnError: There is such a name.
    """
    if unknown := set(names) - (column_names(entity) - {primary_key(entity).key}):
        raise UnknownColumnError(entity.__name__, unknown)
