"""Upcasters: every old document becomes one of today, and none loses a field."""

from copy import deepcopy
from typing import Any

import pytest

from lab_support.documents.versions import UnknownVersionError, Upcasters, difference


@pytest.fixture
def upcasters() -> Upcasters:
    steps = Upcasters()

    @steps.step
    def split(document: dict[str, Any]) -> dict[str, Any]:
        document["parts"] = document.pop("text", "").split()
        return document

    @steps.step
    def count(document: dict[str, Any]) -> dict[str, Any]:
        document["meta"] = document.get("meta", {}) | {"count": len(document["parts"])}
        return document

    return steps


def test_document_without_a_version_has_the_first(upcasters: Upcasters) -> None:
    """It takes every step, and keeps what no step knows."""
    old = {"_id": 1, "text": "a b", "colour": "red"}

    assert upcasters.upcast(old) == {
        "_id": 1,
        "parts": ["a", "b"],
        "meta": {"count": 2},
        "colour": "red",
        "schema_version": 3,
    }


def test_document_takes_only_the_steps_it_lacks(upcasters: Upcasters) -> None:
    """One of version 2 is not split again; a version written by a shell is a double."""
    middle = {"_id": 1, "parts": ["x"], "schema_version": 2.0, "text": "kept"}

    assert upcasters.upcast(middle)["text"] == "kept"
    assert upcasters.upcast(middle)["meta"] == {"count": 1}


def test_upcasting_leaves_the_original_alone(upcasters: Upcasters) -> None:
    """Nested values too: whoever holds the stored document can still compare."""
    old = {"_id": 1, "text": "a", "meta": {"by": ["me"]}}
    before = deepcopy(old)

    new = upcasters.upcast(old)
    new["meta"]["by"].append("you")

    assert old == before


def test_current_document_is_itself(upcasters: Upcasters) -> None:
    """Upcasting twice is upcasting once."""
    current = upcasters.upcast({"_id": 1, "text": "a"})

    assert upcasters.upcast(current) == current


@pytest.mark.parametrize(
    "version", [0, -1, 4, 2.5, "2", True, None, float("nan"), float("inf"), [1]], ids=repr
)
def test_version_that_nobody_knows_is_refused(upcasters: Upcasters, version: object) -> None:
    """Guessing would damage what a newer program wrote."""
    with pytest.raises(UnknownVersionError, match="1 to 3") as caught:
        upcasters.upcast({"_id": 7, "schema_version": version})

    assert caught.value.id == 7


def test_difference_names_only_what_changes() -> None:
    """The filter relies on the fields that change, and on no other."""
    before = {"_id": 1, "a": 1, "b": {"x": 1}, "gone": None, "stays": [1]}
    after = {"_id": 1, "a": 1.0, "b": {"x": 1}, "new": 2, "stays": [1]}

    filter_, update = difference(before, after)

    assert filter_ == {"_id": 1, "a": {"$eq": 1}, "gone": {"$eq": None}, "new": {"$exists": False}}
    assert update == {"$set": {"a": 1.0, "new": 2}, "$unset": {"gone": ""}}


def test_difference_of_equals_is_no_update() -> None:
    """An empty `$set` would be an error of the server's."""
    assert difference({"_id": 1, "a": [1]}, {"_id": 1, "a": [1]}) == ({"_id": 1}, {})
