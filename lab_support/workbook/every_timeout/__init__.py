"""Every timeout of every database, made to happen once: what was raised, after how long, and did the work stop?

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.workbook.every_timeout import mongodb, relational
from lab_support.workbook.every_timeout.relational import Place
from lab_support.workbook.every_timeout.rows import Row, timeout_table

__all__ = ["Place", "Row", "every_timeout", "timeout_table"]

_SHORTEST_S: Final = 0.05
_LONGEST_S: Final = 2.0


async def every_timeout(
    urls: Mapping[str, str], *, mongo: EmbeddedMongo | None = None, limit_s: float = 0.2
) -> AsyncIterator[Row]:
    """Make one timeout after the other happen, and give a row for each as soon as it is known.

    A table called `every_timeout` is made in each database and dropped again.

    Args:
        urls: Empty databases by their kind: "sqlite", "postgresql", "mariadb".
        mongo: A running embedded MongoDB; None leaves MongoDB out.
        limit_s: The limit of each case, 0.05 to 2 seconds. Some need a longer one and say so in their row: MariaDB
            counts locks in whole seconds.

    Raises:
        ValueError: The limit is outside of its range, or a kind of database is not known.
    """
    if not _SHORTEST_S <= limit_s <= _LONGEST_S:
        raise ValueError(f"limit_s is {limit_s}; give {_SHORTEST_S} to {_LONGEST_S} seconds.")
    if unknown := sorted(set(urls) - {"sqlite", "postgresql", "mariadb"}):
        raise ValueError(f"There are no timeouts for {unknown}; use sqlite, postgresql and mariadb.")
    for backend, url in urls.items():
        cases = relational.ON_A_FILE if backend == "sqlite" else relational.ON_A_SERVER
        for case in cases:
            yield await case(Place(backend, url, limit_s))
    if mongo is not None:
        for mongo_case in mongodb.CASES:
            yield await mongo_case(mongo, limit_s)
