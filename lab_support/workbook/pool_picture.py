"""A pool's gauges drawn, one row for each moment: its places, what stands in them, and the line of those who wait.

A place is full when somebody has its connection, outlined when its connection is free, and dashed when it has none. A
bar stands between the pool's size and its overflow; who waits is a circle. Nothing is said by colour alone.

Section:
    13.10, "The pool's anatomy"
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from lab_support.pools import PoolGauges

LABEL, ROW, BOX, STEP, FOOT = 220, 28, 18, 24, 26
"""In pixels: the moment's name, a row, a place, from one place to the next, and the legend below."""

MOST_MOMENTS: Final = 50
MOST_PLACES: Final = 24
LONGEST_NAME: Final = 32
LABELS: Final[Mapping[str, str]] = {
    "moment": "{name}: {checked_out} of {limit} in use, {idle} free, {waiting} waiting",
    "more": "+{number}",
    "used": "in use",
    "free": "open and free",
    "closed": "not open",
    "overflow": "overflow",
    "waits": "waits",
}
"""Every word of the picture that does not come from its caller."""


def pool_picture(moments: Mapping[str, PoolGauges]) -> str:
    """Return the picture as SVG; nothing where there is nothing to show.

    Args:
        moments: What the gauges showed, by names of the moments, the first one first. More than 50 are not drawn; of
            more than 24 places, or of a longer line, the rest is a number.
    """
    shown = dict(list(moments.items())[:MOST_MOMENTS])
    if not shown:
        return ""
    places = max(min(one.limit, MOST_PLACES) for one in shown.values())
    line = LABEL + (places + 2) * STEP
    width = max(line + max(min(one.waiting, MOST_PLACES) for one in shown.values()) * STEP + 2 * STEP, 560)
    height = ROW * len(shown) + FOOT
    rows = "".join(_row(name, one, number * ROW, line) for number, (name, one) in enumerate(shown.items()))
    said = "; ".join(_said(name, one) for name, one in shown.items())
    return (
        f'<svg role="img" aria-label="{escape(said, quote=True)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="color:inherit;max-width:100%" font-family="inherit" '
        f'font-size="12" fill="currentColor">{rows}{_legend(height - FOOT / 2)}</svg>'
    )


def _said(name: str, one: PoolGauges) -> str:
    return LABELS["moment"].format(
        name=_short(name), checked_out=one.checked_out, limit=one.limit, idle=one.idle, waiting=one.waiting
    )


def _row(name: str, one: PoolGauges, top: int, line: int) -> str:
    middle = top + ROW / 2
    drawn = _text(_short(name), 0, middle)
    for place in range(min(one.limit, MOST_PLACES)):
        drawn += _box(_kind(place, one), _left(place, one.size), middle)
    if one.limit > MOST_PLACES:
        drawn += _more(one.limit - MOST_PLACES, _left(MOST_PLACES, one.size), middle)
    if 0 < one.size < min(one.limit, MOST_PLACES):
        drawn += _bar(LABEL + one.size * STEP + STEP / 4, middle)
    for number in range(min(one.waiting, MOST_PLACES)):
        drawn += _circle(line + number * STEP, middle)
    if one.waiting > MOST_PLACES:
        drawn += _more(one.waiting - MOST_PLACES, line + MOST_PLACES * STEP, middle)
    return f"<g><title>{escape(_said(name, one))}</title>{drawn}</g>"


def _kind(place: int, one: PoolGauges) -> str:
    if place < one.checked_out:
        return "used"
    return "free" if place < one.checked_out + one.idle else "closed"


def _left(place: int, size: int) -> float:
    return LABEL + place * STEP + (STEP / 2 if place >= size else 0)


def _legend(middle: float) -> str:
    drawn, left = "", 0.0
    for kind in ("used", "free", "closed"):
        drawn += _box(kind, left, middle) + _text(LABELS[kind], left + STEP, middle)
        left += STEP + 16 + 7 * len(LABELS[kind])
    drawn += _bar(left, middle) + _text(LABELS["overflow"], left + STEP / 2, middle)
    left += STEP / 2 + 16 + 7 * len(LABELS["overflow"])
    return drawn + _circle(left, middle) + _text(LABELS["waits"], left + STEP, middle)


def _box(kind: str, left: float, middle: float) -> str:
    dashes = ' stroke-dasharray="3 3"' if kind == "closed" else ""
    fill = "currentColor" if kind == "used" else "none"
    return (
        f'<rect class="{kind}" x="{left + 1:g}" y="{middle - BOX / 2:g}" width="{BOX}" height="{BOX}" fill="{fill}" '
        f'stroke="currentColor"{dashes}/>'
    )


def _bar(left: float, middle: float) -> str:
    ends = f'y1="{middle - ROW / 2 + 2:g}" y2="{middle + ROW / 2 - 2:g}"'
    return f'<line x1="{left:g}" x2="{left:g}" {ends} stroke="currentColor" stroke-width="2"/>'


def _circle(left: float, middle: float) -> str:
    return f'<circle cx="{left + BOX / 2:g}" cy="{middle:g}" r="7" fill="none" stroke="currentColor"/>'


def _more(number: int, left: float, middle: float) -> str:
    return _text(LABELS["more"].format(number=number), left, middle)


def _text(text: str, left: float, middle: float) -> str:
    return f'<text x="{left:g}" y="{middle:g}" dy="0.35em">{escape(text)}</text>'


def _short(name: str) -> str:
    """Shorten a name, and make every character that is not to be seen a question mark."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(one if one.isprintable() else "?" for one in short)
