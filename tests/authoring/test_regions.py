"""What stands between the markers becomes the student's blank, and broken markers are refused."""

import ast

import pytest

from lab_support.authoring.regions import RegionError, blank_source

WHOLE = '''"""Given."""
### BEGIN SOLUTION
import os

LIMIT: int = 3
low, high = 1, 2


class Product:
    price = 1


async def get(session):
    inner = 1


def _helper():
    pass


LIMIT = 4
### END SOLUTION
after = Product'''


def test_region_at_the_margin_leaves_each_public_name_blank() -> None:
    """Classes, functions and assignments become `...`, once each; imports, helpers and inner names do not."""
    assert blank_source(WHOLE).splitlines() == [
        '"""Given."""',
        "LIMIT = ...  # your code here",
        "low = ...  # your code here",
        "high = ...  # your code here",
        "Product = ...  # your code here",
        "get = ...  # your code here",
        "after = Product",
    ]


def test_indented_region_raises_at_its_own_depth() -> None:
    """A function keeps its signature and raises what the judge calls "not attempted"."""
    source = (
        "class A:\n    def f(self):\n        ### BEGIN SOLUTION\n        return 1\n        ### END SOLUTION\n"
    )

    blank = blank_source(source)

    assert blank == "class A:\n    def f(self):\n        raise NotImplementedError  # your code here"
    ast.parse(blank)


def test_several_regions_of_a_cell_are_each_cut_out() -> None:
    """What is given between two regions stays."""
    source = "\n".join(
        [
            "### BEGIN SOLUTION",
            "a = 1",
            "### END SOLUTION",
            "given = 2",
            "### BEGIN SOLUTION",
            "b = 3",
            "### END SOLUTION",
        ]
    )

    assert blank_source(source).splitlines() == [
        "a = ...  # your code here",
        "given = 2",
        "b = ...  # your code here",
    ]


def test_region_that_defines_nothing_leaves_a_comment() -> None:
    """A bare expression has no name to leave blank."""
    assert blank_source("### BEGIN SOLUTION\nprint(1)\n### END SOLUTION") == "# your code here"


def test_source_without_markers_is_untouched() -> None:
    """Given and check cells go into the lab as they are."""
    assert blank_source('await check("13.1.1", Product)') == 'await check("13.1.1", Product)'


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "line 2 opens a solution inside"),
        ("x\n### BEGIN SOLUTION\ny", "line 2 opens is never ended"),
        ("x\n### END SOLUTION", "line 2 ends a solution that no line opened"),
        ("### BEGIN SOLUTION\nif True:\n### END SOLUTION", "not whole Python"),
    ],
    ids=["nested", "unclosed", "unopened", "half a statement"],
)
def test_broken_markers_are_refused_with_their_line(source: str, said: str) -> None:
    """The author learns which line to mend."""
    with pytest.raises(RegionError, match=said):
        blank_source(source)
