"""A drift report drawn: a bar for each field, cut into the types it has, and the same as a table.

What the declared schema expects is a full box, what it does not is an outlined one with its type written in it, and
what is missing is left open. Everything has the page's own text colour, so nothing is said by colour alone. Names of
fields come from stored documents, so they are shown as text and are nothing else.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any, Final

LABEL, BAR, ROW, BOX = 220, 420, 24, 16
"""Widths and heights in pixels: the field's name, a whole bar, a row, and the bar in it."""

MOST_FIELDS: Final = 200
LONGEST_NAME: Final = 30
SMALLEST_WITH_TEXT: Final = 60
MISSING: Final = "missing"
TITLES: Final = ("Kind", "Field", "Type", "Count", "Of", "Expected", "First seen", "Last seen")

Row = Mapping[str, Any]
"""A row of the report, as `GET /catalog/drift` answers it."""


def drift_picture(rows: Sequence[Row]) -> str:
    """Return the picture as SVG; nothing where there is nothing to show.

    Args:
        rows: With `kind`, `field`, `type`, `count`, `of` and `expected`, those of a field one after another.
    """
    fields = [(name, list(found)) for name, found in groupby(rows, _name)][:MOST_FIELDS]
    if not fields:
        return ""
    width, height = LABEL + BAR, ROW * len(fields)
    drawn = "".join(_bar(name, found, number * ROW) for number, (name, found) in enumerate(fields))
    return (
        f'<svg role="img" aria-label="{escape(_said(rows), quote=True)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="color:inherit;max-width:100%" font-family="inherit" '
        f'font-size="12" fill="currentColor">{drawn}</svg>'
    )


def drift_table(rows: Sequence[Row]) -> str:
    """Return the report as a table in HTML, unexpected rows marked."""
    head = "".join(f"<th>{title}</th>" for title in TITLES)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Row) -> Iterable[str]:
    yield from (_short(row["kind"] or "none"), _short(row["field"]), row["type"])
    yield from (str(row["count"]), str(row["of"]), "yes" if row["expected"] else "no: drift")
    yield from (str(row.get(name) or "")[:10] for name in ("first_seen", "last_seen"))


def _said(rows: Sequence[Row]) -> str:
    odd = sum(not row["expected"] for row in rows)
    return f"{len(rows)} combinations of kind, field and type; {odd} are not in the declared schema"


def _name(row: Row) -> tuple[str, str]:
    return row["kind"] or "none", row["field"]


def _bar(name: tuple[str, str], rows: Sequence[Row], top: int) -> str:
    label = f"{_short(name[0])} · {_short(name[1])}"
    boxes, left = [], float(LABEL)
    for row in rows:
        width = BAR * row["count"] / max(row["of"], 1)
        boxes.append(_box(row, left, top, width))
        left += width
    return f"{_text(label, 0, top + ROW / 2)}{''.join(boxes)}"


def _box(row: Row, left: float, top: int, width: float) -> str:
    said = f"{row['type']}: {row['count']} of {row['of']}" + ("" if row["expected"] else ", not expected")
    filled = row["expected"] and row["type"] != MISSING
    line = ' stroke-dasharray="3 3"' if row["type"] == MISSING else ""
    shape = (
        f'<rect x="{left + 1:g}" y="{top + (ROW - BOX) / 2:g}" width="{max(width - 2, 1):g}" height="{BOX}" '
        f'fill="{"currentColor" if filled else "none"}" stroke="currentColor"{line}/>'
    )
    written = not filled and width >= SMALLEST_WITH_TEXT
    inside = _text(row["type"], left + width / 2, top + ROW / 2, anchor="middle") if written else ""
    return f"<g><title>{escape(said)}</title>{shape}{inside}</g>"


def _text(text: str, left: float, middle: float, *, anchor: str = "start") -> str:
    return f'<text x="{left:g}" y="{middle:g}" dy="0.35em" text-anchor="{anchor}">{escape(text)}</text>'


def _short(name: str) -> str:
    """Shorten a name, and make every character that is not to be seen a question mark."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(one if one.isprintable() else "?" for one in short)
