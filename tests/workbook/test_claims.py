"""A lesson's claim: one line when it holds, one card when it does not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lab_support.workbook.claims import ClaimFailedError, claim


def test_claim_that_holds_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence and what was observed stand in one line with a tick."""
    claim("three rows of 0.10 sum to 0.30", expected=Decimal("0.30"), observed=Decimal("0.3"))

    assert capsys.readouterr().out == "✓ three rows of 0.10 sum to 0.30: Decimal('0.3')\n"


def test_claim_that_fails_raises_its_card(capsys: pytest.CaptureFixture[str]) -> None:
    """The error is an AssertionError that carries both values; its card shows them under each other."""
    with pytest.raises(AssertionError) as caught:
        claim("an open session holds no connection", expected=0, observed=1)

    error = caught.value
    assert isinstance(error, ClaimFailedError)
    assert (error.claim, error.expected, error.observed) == ("an open session holds no connection", 0, 1)
    assert error._render_traceback_()[:3] == [
        "✗ an open session holds no connection",
        "  expected: 0",
        "  observed: 1",
    ]
    assert str(error) == "\n".join(error._render_traceback_())
    assert capsys.readouterr().out == ""


def test_values_that_only_look_equal_differ_on_the_card() -> None:
    """A string and a number of the same digits can be told apart."""
    with pytest.raises(ClaimFailedError, match=r"expected: 1\n  observed: '1'"):
        claim("ids are numbers", expected=1, observed="1")


def test_long_values_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """A long list is cut to one line when it holds, and to a card of bounded size when not."""
    rows = [{"id": number, "name": f"product {number}"} for number in range(500)]
    claim("the list is whole", expected=rows, observed=list(rows))
    with pytest.raises(ClaimFailedError) as caught:
        claim("the list is whole", expected=rows, observed=rows[:-1])

    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) < 160
    assert line.endswith("…")
    assert len(str(caught.value)) < 3_000
