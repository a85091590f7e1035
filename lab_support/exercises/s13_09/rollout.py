"""A column gets another name while the shop is open: releases of the code, and steps of a rollout.

Section:
    13.9, "Expand and contract"
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TABLE: Final = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(200) NOT NULL DEFAULT '')"


class Release(StrEnum):
    """The releases of Customers that are ready, by what they do with the two columns."""

    OLD = "old"
    WRITES_BOTH = "writes both"
    READS_NEW = "reads new"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Code:
    """The SQL of one release."""

    read: str
    add: str
    rename: str


_READ_OLD: Final = "SELECT id, name AS told FROM customers"
_READ_NEW: Final = "SELECT id, full_name AS told FROM customers"
_ADD_BOTH: Final = "INSERT INTO customers (id, name, full_name) VALUES (:id, :told, :told)"
_RENAME_BOTH: Final = "UPDATE customers SET name = :told, full_name = :told WHERE id = :id"

CODE: Final = {
    Release.OLD: Code(
        read=_READ_OLD,
        add="INSERT INTO customers (id, name) VALUES (:id, :told)",
        rename="UPDATE customers SET name = :told WHERE id = :id",
    ),
    Release.WRITES_BOTH: Code(_READ_OLD, _ADD_BOTH, _RENAME_BOTH),
    Release.READS_NEW: Code(_READ_NEW, _ADD_BOTH, _RENAME_BOTH),
    Release.NEW: Code(
        read=_READ_NEW,
        add="INSERT INTO customers (id, full_name) VALUES (:id, :told)",
        rename="UPDATE customers SET full_name = :told WHERE id = :id",
    ),
}


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement, executed while the shop is open."""

    text: str


@dataclass(frozen=True, slots=True)
class Deploy:
    """Replace what runs by another release: first both run side by side, then the other alone."""

    release: Release


Step = Sql | Deploy
