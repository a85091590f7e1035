"""A load test drawn: throughput and the 95th percentile against the pool's size, the rules of thumb on the same axis.

Two curves are told apart by their dots (full and open) and by their names, not by colour. Everything has the page's own
text colour, so it is readable on light and on dark.

Section:
    13.10, "How large should a pool be?"
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from lab_support.pools.load import LoadResult

WIDTH, PANEL, LEFT, TOP, GAP, BELOW = 560, 150, 64, 26, 44, 44
"""In pixels: the drawing, the height of a panel, the room left of it, above it, between the two, and below."""

MOST_SIZES: Final = 100
LABELS: Final[Mapping[str, str]] = {
    "throughput": "requests in a second",
    "p95": "95 % answered within, ms",
    "size": "connections in the pool",
    "alt": "Throughput is best with {best} connections, at {throughput} requests in a second; 95 % of the answers then "
    "came within {p95} ms.",
}
"""Every word of the picture that does not come from its caller."""


def load_picture(results: Mapping[int, LoadResult], marks: Mapping[str, int] | None = None) -> str:
    """Return the picture as SVG; nothing where there is nothing to show.

    Args:
        results: What was measured at each pool size.
        marks: Sizes to point out, by their names: what Little's law says, the spindle formula, the knee.
    """
    sizes = sorted(results)[:MOST_SIZES]
    if not sizes:
        return ""
    marks = marks or {}
    right = max(*sizes, *marks.values(), 1)
    height = TOP + 2 * PANEL + GAP + BELOW + 16 * len(marks)
    throughput = {size: results[size].throughput_per_s for size in sizes}
    p95 = {size: results[size].p95_s * 1000 for size in sizes}
    drawn = (
        _panel(throughput, LABELS["throughput"], TOP, right, filled=True)
        + _panel(p95, LABELS["p95"], TOP + PANEL + GAP, right, filled=False)
        + _size_axis(sizes, right)
        + "".join(_mark(name, size, number, right) for number, (name, size) in enumerate(marks.items()))
    )
    return (
        f'<svg role="img" aria-label="{escape(_said(throughput, p95), quote=True)}" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" style="color:inherit;max-width:100%" font-family="inherit" '
        f'font-size="12" fill="currentColor">{drawn}</svg>'
    )


def _said(throughput: Mapping[int, float], p95: Mapping[int, float]) -> str:
    best = max(throughput, key=lambda size: throughput[size])
    return LABELS["alt"].format(best=best, throughput=f"{throughput[best]:.0f}", p95=f"{p95[best]:.0f}")


def _panel(values: Mapping[int, float], title: str, top: int, right: int, *, filled: bool) -> str:
    highest = max(values.values()) or 1.0
    places = [(_left(size, right), top + PANEL * (1 - value / highest)) for size, value in values.items()]
    line = " ".join(f"{left:.1f},{down:.1f}" for left, down in places)
    dots = "".join(
        f'<circle cx="{left:.1f}" cy="{down:.1f}" r="4" fill="currentColor" stroke="currentColor" '
        f'fill-opacity="{1 if filled else 0}"><title>{size}: {value:.1f}</title></circle>'
        for (left, down), (size, value) in zip(places, values.items(), strict=True)
    )
    return (
        f"{_text(title, LEFT, top - 12)}{_text(f'{highest:.0f}', LEFT - 8, top, anchor='end')}"
        f"{_text('0', LEFT - 8, top + PANEL, anchor='end')}{_line(LEFT, top, LEFT, top + PANEL)}"
        f"{_line(LEFT, top + PANEL, WIDTH - 16, top + PANEL)}"
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/>{dots}'
    )


def _size_axis(sizes: list[int], right: int) -> str:
    down = TOP + 2 * PANEL + GAP
    shown, last = "", -100.0
    for size in sizes:
        left = _left(size, right)
        if left - last >= 24:  # else the numbers would touch
            shown += _text(str(size), left, down + 12, anchor="middle")
            last = left
    return shown + _text(LABELS["size"], LEFT, down + 30)


def _mark(name: str, size: int, number: int, right: int) -> str:
    left, bottom = _left(size, right), TOP + 2 * PANEL + GAP
    dashes = f"{2 + 3 * number} 3"
    key = bottom + BELOW + 16 * number
    return (
        f"<g><title>{escape(name)}: {size}</title>{_line(left, TOP, left, bottom, dashes)}"
        f"{_line(LEFT, key, LEFT + 40, key, dashes)}{_text(f'{name}: {size}', LEFT + 48, key)}</g>"
    )


def _left(size: int, right: int) -> float:
    return LEFT + (WIDTH - 16 - LEFT) * size / right


def _line(left: float, top: float, right: float, bottom: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}" stroke="currentColor"{dashed}/>'


def _text(text: str, left: float, middle: float, *, anchor: str = "start") -> str:
    return f'<text x="{left:g}" y="{middle:g}" dy="0.35em" text-anchor="{anchor}">{escape(text)}</text>'
