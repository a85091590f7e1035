"""What a trace is made of: events, how secrets in them are masked, and how they are shown.

Section:
    13.1, "Session factory, and the SQL that each line emits"
"""

from __future__ import annotations

import html
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

Kind = Literal["BEGIN", "SQL", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "ROLLBACK TO"]

MASK = "***"
_SECRET_NAME = re.compile(r"pass(word|wd|phrase|code)|\bpwd|secret|token|api_?key|credential", re.IGNORECASE)
_BORDER = re.compile(
    r"\s*(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK TO|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE
)
_KINDS: dict[str, Kind] = {"START TRANSACTION": "BEGIN", "END": "COMMIT"}
_COLUMNS = ("#", "conn", "ms", "kind", "statement", "parameters")


@dataclass(slots=True)
class TracedEvent:
    """One thing that a connection was told.

    Attributes:
        kind: What it was; only "SQL" counts as a statement.
        sql: The text as the driver got it.
        parameters: As the driver got them, secrets masked; a list of them after `executemany`.
        duration_ms: Milliseconds until the driver came back; 0.0 for borders that the driver sends itself.
        connection: 1 for the first connection seen in this trace, 2 for the next.
        error: Class and text of the failure; None when all went well.
        executemany: The statement was sent once for a list of parameters.
    """

    kind: Kind
    sql: str
    parameters: Any = None
    duration_ms: float = 0.0
    connection: int = 1
    error: str | None = None
    executemany: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the event in JSON's own types; other values become text."""
        return {
            "kind": self.kind,
            "sql": self.sql,
            "parameters": _plain(self.parameters),
            "duration_ms": round(self.duration_ms, 3),
            "connection": self.connection,
            "error": self.error,
            "executemany": self.executemany,
        }


@dataclass(slots=True, repr=False)
class Trace:
    """Everything recorded, oldest first."""

    events: list[TracedEvent] = field(default_factory=list)

    @property
    def statements(self) -> list[TracedEvent]:
        """The SQL alone: no BEGIN, COMMIT, ROLLBACK or savepoint."""
        return [traced for traced in self.events if traced.kind == "SQL"]

    @property
    def commits(self) -> int:
        """How many commits were sent and did not fail."""
        return sum(traced.kind == "COMMIT" and traced.error is None for traced in self.events)

    @property
    def duration_ms(self) -> float:
        """Milliseconds spent in the driver, all connections added up."""
        return sum(traced.duration_ms for traced in self.events)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return all events in JSON's own types."""
        return [traced.as_dict() for traced in self.events]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if not self.events:
            return "(nothing was sent to a database)"
        rows = [_COLUMNS, *self._rows(limit=100)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
        return "\n".join([*("  ".join(cells).rstrip() for cells in padded), self._summary()])

    def _repr_html_(self) -> str:
        if not self.events:
            return "<p><em>Nothing was sent to a database.</em></p>"
        head = _html_row("th", _COLUMNS)
        body = "".join(_html_row("td", row) for row in self._rows(limit=500))
        caption = f"<caption>{html.escape(self._summary())}</caption>"
        return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"

    def _rows(self, limit: int) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for place, traced in enumerate(self.events, 1):
            sql = _short(traced.sql, limit) + (f"  !! {_short(traced.error, limit)}" if traced.error else "")
            duration = f"{traced.duration_ms:.1f}" if traced.duration_ms else ""
            shown = "" if not traced.parameters else _short(repr(_plain(traced.parameters)), limit)
            rows.append((str(place), str(traced.connection), duration, traced.kind, sql, shown))
        return rows

    def _summary(self) -> str:
        connections = len({traced.connection for traced in self.events})
        return (
            f"{_counted(len(self.statements), 'statement')}, {_counted(self.commits, 'commit')}, "
            f"{_counted(connections, 'connection')}, {self.duration_ms:.1f} ms in the driver"
        )


def _html_row(tag: str, cells: Sequence[str]) -> str:
    inner = "".join(f'<{tag} style="text-align:left">{html.escape(cell)}</{tag}>' for cell in cells)
    return f"<tr>{inner}</tr>"


def kind_of(statement: str) -> Kind:
    """Tell a transaction's border from ordinary SQL by the statement's first words."""
    found = _BORDER.match(statement)
    if found is None:
        return "SQL"
    word = found.group(1).upper()
    return _KINDS.get(word, cast("Kind", word))


def secret_values(context: Any) -> frozenset[tuple[type, Any]]:
    """Collect the values of a compiled statement's parameters whose names sound secret.

    Positional parameters have no names in the driver's hands; the compiled statement still knows them.
    """
    rows: Sequence[Mapping[str, Any]] = getattr(context, "compiled_parameters", None) or ()
    names = [name for name in (rows[0] if rows else ()) if _SECRET_NAME.search(name)]
    values = (row.get(name) for row in rows for name in names)
    return frozenset((type(value), value) for value in values if value and isinstance(value, Hashable))


def masked_parameters(value: Any, secrets: frozenset[tuple[type, Any]]) -> Any:
    """Copy a statement's parameters, with `***` for secret values and for names that sound secret."""
    if isinstance(value, Mapping):
        return {
            key: MASK if _SECRET_NAME.search(str(key)) else masked_parameters(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)([masked_parameters(item, secrets) for item in value])
    if secrets and isinstance(value, Hashable) and (type(value), value) in secrets:
        return MASK
    return value


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)


def _short(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
