"""Documents compared as a server would: by field, by value and by type."""

from __future__ import annotations

import pytest
from bson import Decimal128, Int64

from lab_support.exercises.s13_08.compared import alike, differences


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, Int64(1)),
        (1, True),
        (None, {}),
        ({"a": 1}, {"a": 1.0}),
        ([1, [2]], [1, [2.0]]),
        ([1], [1, 1]),
        (Decimal128("1.0"), Decimal128("1.00")),
    ],
    ids=repr,
)
def test_values_of_another_type_are_not_alike(one, other):
    """What Python takes for equal is two things where the server keeps types."""
    assert not alike(one, other)
    assert alike(one, one)


def test_order_of_fields_makes_no_difference():
    """Two documents with the same fields are alike in any order."""
    assert alike({"a": 1, "b": [None]}, {"b": [None], "a": 1})
    assert differences({"a": 1, "b": None}, {"b": None, "a": 1}) == []


def test_differences_name_each_field():
    """What is gone, new or changed is told by its field; null is not gone."""
    told = differences({"a": 1, "b": None, "c": 2}, {"a": 1.0, "c": 2, "d": None})

    assert told == ["a is 1.0 instead of 1", "b is gone", "d is new: None"]
