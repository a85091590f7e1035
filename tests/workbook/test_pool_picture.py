"""The pool's gauges as a picture."""

from collections import Counter
from typing import Any
from xml.etree import ElementTree

from lab_support.pools import PoolGauges
from lab_support.pools.gauges import PoolMeter
from lab_support.workbook.pool_picture import MOST_MOMENTS, MOST_PLACES, pool_picture


def gauges(**numbers: Any) -> PoolGauges:
    """Give gauges with two places and one more under load; who has a connection is only a number here."""
    meter = PoolMeter()
    meter.waiting = numbers.get("waiting", 0)
    for number in range(numbers.get("checked_out", 0)):
        meter.taken(number, "somebody")
    places = {"size": numbers.get("size", 2), "max_overflow": numbers.get("max_overflow", 1)}
    return meter.read(**places, idle=numbers.get("idle", 0), overflow=0)


def rows(svg: str) -> list[Counter[str]]:
    """Count what each moment's row has: places by their kind, and circles."""
    groups = ElementTree.fromstring(svg).iter("g")  # noqa: S314 - our own picture
    return [
        Counter(one.attrib.get("class", one.tag) for one in group if one.tag in ("rect", "circle", "line"))
        for group in groups
    ]


def test_every_place_is_in_use_free_or_not_open() -> None:
    """The three are told apart, and the overflow stands behind a bar."""
    (row,) = rows(pool_picture({"now": gauges(checked_out=1, idle=1)}))

    assert row == {"used": 1, "free": 1, "closed": 1, "line": 1}


def test_who_waits_stands_beside_the_full_pool() -> None:
    """A circle for each."""
    (row,) = rows(pool_picture({"now": gauges(checked_out=3, waiting=2)}))

    assert row == {"used": 3, "circle": 2, "line": 1}


def test_moments_stand_in_their_order_and_are_said() -> None:
    """For those who hear it, the label has every row."""
    svg = pool_picture({"first": gauges(), "then": gauges(checked_out=3, waiting=1)})
    label = ElementTree.fromstring(svg).attrib["aria-label"]  # noqa: S314

    assert label == "first: 0 of 3 in use, 0 free, 0 waiting; then: 3 of 3 in use, 0 free, 1 waiting"


def test_pool_without_overflow_has_no_bar() -> None:
    """There is nothing behind it."""
    (row,) = rows(pool_picture({"now": gauges(max_overflow=0)}))

    assert row == {"closed": 2}


def test_large_pool_and_long_line_are_cut_and_counted() -> None:
    """A thousand boxes tell nobody anything, and cost a browser a second."""
    svg = pool_picture({"now": gauges(size=1000, checked_out=1000, waiting=500)})
    (row,) = rows(svg)

    assert (row["used"], row["circle"]) == (MOST_PLACES, MOST_PLACES)
    assert f"+{1000 + 1 - MOST_PLACES}" in svg
    assert f"+{500 - MOST_PLACES}" in svg


def test_more_moments_than_fit_are_left_out() -> None:
    """The picture has an end."""
    assert len(rows(pool_picture({str(number): gauges() for number in range(99)}))) == MOST_MOMENTS


def test_name_of_a_moment_is_text_and_nothing_else() -> None:
    """Markup and unseen characters do nothing, and a long name is cut."""
    svg = pool_picture({"<script>\u202e" + "x" * 99: gauges()})

    assert "<script" not in svg
    assert "\u202e" not in svg
    assert "x" * 40 not in svg


def test_no_moment_is_no_picture() -> None:
    """An empty answer is shown as nothing."""
    assert pool_picture({}) == ""
