"""The drift report as a picture and as a table."""

from typing import Any
from xml.etree import ElementTree

from lab_support.workbook.drift_picture import BAR, drift_picture, drift_table


def a_row(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "book",
        "field": "price",
        "type": "decimal",
        "count": 3,
        "of": 4,
        "expected": True,
        "first_seen": "2021-01-01T00:00:00Z",
        "last_seen": None,
    } | fields


DRIFTED = [
    a_row(),
    a_row(type="double", count=1, expected=False),
    a_row(field="isbn", type="string", count=4),
]


def boxes(svg: str) -> list[tuple[str, float, str]]:
    """Give what each box says, how wide it is and how it is filled."""
    found = []
    for group in ElementTree.fromstring(svg).iter("g"):  # noqa: S314 - our own picture
        shape, title = group.find("rect"), group.find("title")
        assert shape is not None
        assert title is not None
        found.append((title.text or "", float(shape.attrib["width"]), shape.attrib["fill"]))
    return found


def test_each_type_has_its_share_of_the_bar() -> None:
    """What is expected is full, what is not is outlined."""
    first, second, whole = boxes(drift_picture(DRIFTED))

    assert first == ("decimal: 3 of 4", BAR * 3 / 4 - 2, "currentColor")
    assert second == ("double: 1 of 4, not expected", BAR / 4 - 2, "none")
    assert whole[1] == BAR - 2


def test_picture_says_in_a_sentence_what_it_shows() -> None:
    """For those who hear it."""
    label = ElementTree.fromstring(drift_picture(DRIFTED)).attrib["aria-label"]  # noqa: S314

    assert label == "3 combinations of kind, field and type; 1 are not in the declared schema"


def test_nothing_stored_is_no_picture() -> None:
    """An empty report is an empty table."""
    assert drift_picture([]) == ""
    assert "<td>" not in drift_table([])


def test_stored_names_are_text_and_nothing_else() -> None:
    """A field can have any name; markup in it stays visible."""
    rows = [a_row(kind=None, field="<script>alert(1)</script>\x1b" + "x" * 500)]

    for drawn in (drift_picture(rows), drift_table(rows)):
        assert "<script>" not in drawn
        assert "\x1b" not in drawn
        assert "&lt;script&gt;" in drawn
        assert len(drawn) < 2_000


def test_table_marks_what_is_not_expected() -> None:
    """A row for each type, with its dates as days."""
    table = ElementTree.fromstring(drift_table(DRIFTED))  # noqa: S314

    rows = [[cell.text or "" for cell in row.iter("td")] for row in table.iter("tr")][1:]
    assert [row[5] for row in rows] == ["yes", "no: drift", "yes"]
    assert rows[0][:5] == ["book", "price", "decimal", "3", "4"]
    assert rows[0][6:] == ["2021-01-01", ""]
