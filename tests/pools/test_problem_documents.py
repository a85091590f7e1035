"""Problem documents as RFC 9457 has them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from lab_support.pools import problem


def body_of(*arguments: Any, **named: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(problem(*arguments, **named).body)
    return document


def test_problem_has_its_own_media_type_and_the_status_twice() -> None:
    """In the header line and in the body, for whoever only keeps the body."""
    answer = problem(404, "Not found", "There is no product 7.")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "There is no product 7.",
    }


def test_title_defaults_to_the_phrase_of_the_status() -> None:
    """As the RFC asks of `about:blank`."""
    assert body_of(409) == {"type": "about:blank", "title": "Conflict", "status": 409}


def test_extensions_of_any_type_stand_beside_the_standard_members() -> None:
    """Money becomes text on the way."""
    shown = body_of(402, missing=Decimal("1.10"), type_="urn:lab:payment", instance="/orders/7")

    assert shown["missing"] == "1.10"
    assert (shown["type"], shown["instance"]) == ("urn:lab:payment", "/orders/7")


def test_headers_are_passed_on() -> None:
    """Such as how long to wait."""
    assert problem(503, headers={"Retry-After": "3"}).headers["retry-after"] == "3"


@pytest.mark.parametrize("status", [200, 399, 600])
def test_status_that_is_no_error_is_refused(status: int) -> None:
    """A success has no problem document."""
    with pytest.raises(ValueError, match=f"400 to 599, not {status}"):
        problem(status)
