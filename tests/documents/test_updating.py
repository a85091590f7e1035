"""Updates: what each operator makes of a document, in which type and at which place."""

from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.updating import compile_update

Document = dict[str, Any]

CHANGES: dict[str, tuple[Document, Any, Document]] = {
    "set makes the way": ({}, {"$set": {"a.b.c": 1}}, {"a": {"b": {"c": 1}}}),
    "set fills an array with null": ({"a": [1]}, {"$set": {"a.3": 2}}, {"a": [1, None, None, 2]}),
    "set goes by path": ({}, {"$set": {"b": 1, "a": 1, "10": 1, "9": 1}}, {"9": 1, "10": 1, "a": 1, "b": 1}),
    "unset of an element leaves null": ({"a": [1, 2]}, {"$unset": {"a.0": ""}}, {"a": [None, 2]}),
    "unset of nothing": ({"a": 1}, {"$unset": {"b.c": ""}}, {"a": 1}),
    "inc begins at nothing": ({}, {"$inc": {"a": 2}}, {"a": 2}),
    "inc of an int by a double": ({"a": 1}, {"$inc": {"a": 0.5}}, {"a": 1.5}),
    "inc of a decimal by a double": (
        {"a": Decimal128("0.1")},
        {"$inc": {"a": 0.2}},
        {"a": Decimal128("0.3")},
    ),
    "mul of nothing": ({}, {"$mul": {"a": Int64(3)}}, {"a": Int64(0)}),
    "mul of decimals": (
        {"a": Decimal128("1.10")},
        {"$mul": {"a": Decimal128("2")}},
        {"a": Decimal128("2.20")},
    ),
    "min compares kinds": ({"a": "x"}, {"$min": {"a": 1}}, {"a": 1}),
    "max keeps what is more": ({"a": 5}, {"$max": {"a": 4}}, {"a": 5}),
    "rename moves": ({"a": {"b": 1}}, {"$rename": {"a.b": "c.d"}}, {"a": {}, "c": {"d": 1}}),
    "rename replaces": ({"a": 1, "b": 2}, {"$rename": {"a": "b"}}, {"b": 1}),
    "rename of nothing": ({"b": 2}, {"$rename": {"a": "b"}}, {"b": 2}),
    "push begins an array": ({}, {"$push": {"a": 1}}, {"a": [1]}),
    "push at a place": (
        {"a": [1, 4]},
        {"$push": {"a": {"$each": [2, 3], "$position": 1}}},
        {"a": [1, 2, 3, 4]},
    ),
    "push from the end": ({"a": [1, 4]}, {"$push": {"a": {"$each": [3], "$position": -1}}}, {"a": [1, 3, 4]}),
    "push keeps the last": ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": -2}}}, {"a": [2, 3]}),
    "push keeps none": ({"a": [1, 2]}, {"$push": {"a": {"$each": [], "$slice": 0}}}, {"a": []}),
    "push sorts by a field": (
        {"a": [{"n": 2}]},
        {"$push": {"a": {"$each": [{"n": 1}, {"n": 3}], "$sort": {"n": -1}}}},
        {"a": [{"n": 3}, {"n": 2}, {"n": 1}]},
    ),
    "push of an array is one element": ({"a": [1]}, {"$push": {"a": [2, 3]}}, {"a": [1, [2, 3]]}),
    "set of values knows true from 1": ({"a": [1]}, {"$addToSet": {"a": True}}, {"a": [1, True]}),
    "set of values knows 1.0 as 1": ({"a": [1]}, {"$addToSet": {"a": 1.0}}, {"a": [1]}),
    "pull of a value": ({"a": [1, 2, 1]}, {"$pull": {"a": 1}}, {"a": [2]}),
    "pull of an equal array": ({"a": [[1], [2]]}, {"$pull": {"a": [1]}}, {"a": [[2]]}),
    "pull by a field": ({"a": [{"b": 1, "c": 1}, {"b": 2}]}, {"$pull": {"a": {"b": 1}}}, {"a": [{"b": 2}]}),
    "pull of nothing": ({"b": 1}, {"$pull": {"a": 1}}, {"b": 1}),
    "pull of several": ({"a": [1, 2, 3]}, {"$pullAll": {"a": [1, 3]}}, {"a": [2]}),
    "pop of the last": ({"a": [1, 2]}, {"$pop": {"a": 1}}, {"a": [1]}),
    "pop of the first": ({"a": [1, 2]}, {"$pop": {"a": -1}}, {"a": [2]}),
    "dollar is the element found": ({"k": [1, 5]}, {"$inc": {"k.$": 1}}, {"k": [1, 6]}),
    "set on insert not now": ({"a": 1}, {"$setOnInsert": {"a": 2}}, {"a": 1}),
    "replacement keeps the id": ({"a": 1}, {"b": 2}, {"b": 2}),
    "nothing to set": ({"a": 1}, {"$set": {}}, {"a": 1}),
    "pipeline": ({"a": 2}, [{"$set": {"b": {"$multiply": ["$a", 3]}}}, {"$unset": "a"}], {"b": 6}),
}

REFUSED: dict[str, tuple[Document, Any, int]] = {
    "64 bits are not enough": ({"a": Int64(2**63 - 1)}, {"$inc": {"a": 1}}, 2),
    "a name in an array": ({"a": [1]}, {"$set": {"a.b": 1}}, 28),
    "a field of null": ({"a": None}, {"$set": {"a.b": 1}}, 28),
    "far behind an array": ({"a": []}, {"$set": {"a.2000000": 1}}, 2),
    "rename onto itself": ({"a": 1}, {"$rename": {"a": "a"}}, 2),
    "rename through an array": ({"a": [{"b": 1}]}, {"$rename": {"a.b": "c"}}, 2),
    "rename in a conflict": ({"a": 1}, {"$rename": {"a": "b"}, "$set": {"b.c": 1}}, 40),
    "an unknown clause": ({"a": []}, {"$push": {"a": {"$each": [], "$when": 1}}}, 2),
    "each of one": ({"a": []}, {"$push": {"a": {"$each": 1}}}, 2),
    "pop of two": ({"a": []}, {"$pop": {"a": 2}}, 9),
    "pop of a number": ({"a": 1}, {"$pop": {"a": 1}}, 14),
    "pull of a number": ({"a": 1}, {"$pull": {"a": 1}}, 2),
    "an element nobody found": ({"k": [1, 2]}, {"$set": {"k.$": 1}}, 2),
    "two dollars": ({"k": [5]}, {"$set": {"k.$.b.$": 1}}, 2),
    "elements of a number": ({"k": 5}, {"$set": {"k.$[]": 1}}, 2),
    "elements of nothing": ({}, {"$set": {"k.$[]": 1}}, 2),
    "an element twice": ({"k": [5]}, {"$set": {"k.$[]": 1, "k.0": 2}}, 40),
    "elements without a filter": ({"k": [5]}, {"$set": {"k.$[x]": 1}}, 2),
    "all elements first": ({}, {"$set": {"$[]": 1}}, 2),
    "a dollar first": ({}, {"$set": {"$.a": 1}}, 2),
    "a name with a dollar": ({}, {"$set": {"a.$b": 1}}, 52),
    "a replacement with a dollar": ({}, {"a": 1, "$set": {"b": 1}}, 52),
    "another id": ({}, {"_id": 8, "a": 1}, 66),
    "no id": ({}, {"$unset": {"_id": 1}}, 66),
    "an operator without a document": ({}, {"$set": 1}, 9),
    "bits": ({"a": 1}, {"$bit": {"a": {"or": 1}}}, 238),
    "no update": ({}, "x", 9),
    "a stage for reading": ({}, [{"$match": {}}], 72),
}


@pytest.mark.parametrize("case", CHANGES)
def test_update_changes_the_document(case: str) -> None:
    """Fields, their order and their types; the stored document stays as it was."""
    fields, update, expected = CHANGES[case]
    document = {"_id": 1, **fields}
    before = repr(document)

    changed = compile_update(update).apply(document, {"k": {"$gte": 5}, "_id": 1} if "k" in fields else {})

    assert list(changed.items()) == [("_id", 1), *expected.items()]
    assert [type(value) for value in changed.values()] == [int, *map(type, expected.values())]
    assert repr(document) == before


FILTERED: dict[str, tuple[Any, Any, Any]] = {
    "all elements": ({"$inc": {"a.$[].n": 1}}, None, [{"n": 2, "t": [1, 5]}, {"n": 6, "t": [9]}]),
    "elements that are meant": (
        {"$set": {"a.$[x].n": 0}},
        [{"x.n": {"$gt": 1}}],
        [{"n": 1, "t": [1, 5]}, {"n": 0, "t": [9]}],
    ),
    "elements of elements": (
        {"$inc": {"a.$[x].t.$[y]": 10}},
        [{"x.n": 1}, {"y": {"$gte": 5}}],
        [{"n": 1, "t": [1, 15]}, {"n": 5, "t": [9]}],
    ),
    "several conditions": (
        {"$unset": {"a.$[x].t": 1}},
        [{"$or": [{"x.n": 5}, {"x.n": 7}]}],
        [{"n": 1, "t": [1, 5]}, {"n": 5}],
    ),
    "none that is meant": (
        {"$set": {"a.$[x].n": 0}},
        [{"x.n": 7}],
        [{"n": 1, "t": [1, 5]}, {"n": 5, "t": [9]}],
    ),
}


@pytest.mark.parametrize("case", FILTERED)
def test_array_filter_chooses_elements(case: str) -> None:
    """Each by its name in the path."""
    update, filters, expected = FILTERED[case]
    document = {"_id": 1, "a": [{"n": 1, "t": [1, 5]}, {"n": 5, "t": [9]}]}

    assert compile_update(update, filters).apply(document, {}) == {"_id": 1, "a": expected}


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ([{"x": 1}, {"y": 1}], 9),
        ([{"x": 1}, {"x": 2}], 9),
        ([{"x": 1, "y": 2}], 9),
        ([{}], 9),
        ([{"X": 1}], 2),
        ([1], 14),
        ([{"x": {"$frob": 1}}], 2),
    ],
    ids=["unused", "twice", "two names", "no name", "capital", "number", "operator"],
)
def test_array_filter_is_refused(filters: Any, code: int) -> None:
    """Before any document is changed."""
    with pytest.raises(CommandError) as caught:
        compile_update({"$set": {"a.$[x]": 1}}, filters)

    assert caught.value.code == code


def test_array_filters_are_for_operators() -> None:
    """A replacement or a pipeline has no use for them."""
    for update in ({"a": 1}, [{"$set": {"a": 1}}]):
        with pytest.raises(CommandError) as caught:
            compile_update(update, [{"x": 1}])
        assert caught.value.code == 9


@pytest.mark.parametrize("case", REFUSED)
def test_update_is_refused(case: str) -> None:
    """With MongoDB's code."""
    fields, update, code = REFUSED[case]

    with pytest.raises(CommandError) as caught:
        compile_update(update).apply({"_id": 1, **fields}, {"k": {"$gte": 5}})

    assert caught.value.code == code


UPSERTS: dict[str, tuple[Document, Any, Document]] = {
    "equalities of the filter": (
        {"a": 1, "b.c": 2, "d": {"$gt": 3}},
        {"$set": {"e": 4}},
        {"a": 1, "b": {"c": 2}, "e": 4},
    ),
    "and, eq, in of one": (
        {"$and": [{"a": {"$eq": 1}}, {"b": {"$in": [2]}}], "c": {"$in": [1, 2]}},
        {"$inc": {"a": 1}},
        {"a": 2, "b": 2},
    ),
    "set on insert": ({"_id": 5}, {"$setOnInsert": {"a": 1}, "$inc": {"n": 1}}, {"a": 1, "n": 1}),
    "a replacement takes only the id": ({"_id": 5, "a": 1}, {"b": 2}, {"b": 2}),
    "a pipeline": ({"_id": 5, "a": 1}, [{"$set": {"b": {"$add": ["$a", 1]}}}], {"a": 1, "b": 2}),
}


@pytest.mark.parametrize("case", UPSERTS)
def test_upsert_makes_the_document(case: str) -> None:
    """From the filter and the update, `_id` first."""
    query, update, expected = UPSERTS[case]

    made = compile_update(update).insert(query)

    assert next(iter(made)) == "_id"
    assert made["_id"] == query["_id"] if "_id" in query else isinstance(made["_id"], ObjectId)
    assert {name: value for name, value in made.items() if name != "_id"} == expected


def test_upsert_refuses_a_field_demanded_twice() -> None:
    """Which of the two would it be?"""
    with pytest.raises(CommandError) as caught:
        compile_update({"$set": {"b": 1}}).insert({"$and": [{"a": 1}, {"a": 2}]})

    assert caught.value.code == 54


def test_upsert_keeps_the_id_that_was_looked_for() -> None:
    """An update cannot choose another."""
    for update in ({"_id": 6}, {"$set": {"_id": 6}}):
        with pytest.raises(CommandError) as caught:
            compile_update(update).insert({"_id": 5})
        assert caught.value.code == 66


cents = st.integers(-10_000_000, 10_000_000).map(lambda amount: Decimal128(f"{amount}E-2"))


@given(st.lists(cents, max_size=20))
def test_decimals_add_up_without_loss(amounts: list[Decimal128]) -> None:
    """However many there are, the sum is exact to the cent."""
    document: Document = {"_id": 1, "sum": Decimal128("0.00")}
    for amount in amounts:
        document = compile_update({"$inc": {"sum": amount}}).apply(document, {})

    assert document["sum"].to_decimal() == sum(amount.to_decimal() for amount in amounts)


@given(st.lists(st.integers(-5, 5) | st.booleans() | st.sampled_from(["a", None]), max_size=8))
def test_set_of_values_has_no_two_alike(values: list[Any]) -> None:
    """And adding the same again changes nothing."""
    add = compile_update({"$addToSet": {"a": {"$each": values}}})
    once = add.apply({"_id": 1}, {})

    assert len(once["a"]) == len({(type(value), value) for value in values})
    assert add.apply(once, {}) == once
