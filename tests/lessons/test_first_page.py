"""The first page's map of the workbook."""

from __future__ import annotations

import re

from tests.lessons.committed import LESSONS, lesson


def test_first_page_lists_the_sections_as_they_are() -> None:
    """The map has all ten sections, and links the lessons that exist."""
    text = "\n".join(cell.source for cell in lesson("00_start_here.ipynb").cells)
    rows = re.findall(r"^\| \[?(13\.\d+)\]?(?:\(([^)]*)\))? \|", text, re.MULTILINE)
    assert [number for number, _ in rows] == [f"13.{number}" for number in range(1, 11)]
    assert {link for _, link in rows if link} == {name for name in LESSONS if name.startswith("13")}
