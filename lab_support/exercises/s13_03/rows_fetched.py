"""How many rows a piece of code takes from the database, whatever it then does with them.

Section:
    13.3, "A generic base, and what is special about gift cards"
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session


class RowsFetched:
    """Counts rows while it is entered: those the driver handed over, and the entities that were loaded of them.

    Attributes:
        most: The rows that the largest single statement fetched.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self._rows = self._entities = self.most = 0

    def __enter__(self) -> RowsFetched:
        """Begin to count."""
        event.listen(self._engine, "after_cursor_execute", self._on_rows)
        event.listen(Session, "loaded_as_persistent", self._on_entity)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting."""
        event.remove(self._engine, "after_cursor_execute", self._on_rows)
        event.remove(Session, "loaded_as_persistent", self._on_entity)

    @property
    def count(self) -> int:
        """Rows fetched; of a streamed result, the entities loaded."""
        return max(self._rows, self._entities)

    def _on_rows(self, _connection: Any, cursor: Any, *_: Any) -> None:
        rows = len(getattr(cursor, "_rows", ()))  # the asyncio adapter fetches all at once
        self._rows += rows
        self.most = max(self.most, rows)

    def _on_entity(self, _session: Any, _entity: Any) -> None:
        self._entities += 1
