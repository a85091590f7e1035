"""Indexes of the embedded server, where the conformance suite does not look: edges, names and lists."""

from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure


def refused_code(database: Database, *indexes: dict[str, Any]) -> int | None:
    """Try to build indexes, and give the code of the refusal."""
    with pytest.raises(OperationFailure) as refused:
        database.command("createIndexes", "things", indexes=list(indexes))
    return refused.value.code


def test_empty_array_is_no_missing_field_in_a_unique_index(database: Database) -> None:
    database.things.create_index("tags", unique=True)
    database.things.insert_many([{"tags": []}, {}])
    for again in ({"tags": []}, {"tags": None}):
        with pytest.raises(DuplicateKeyError):
            database.things.insert_one(again)


def test_document_may_hold_one_key_twice(database: Database) -> None:
    database.things.create_index("tags", unique=True)
    database.things.insert_one({"tags": ["a", "a"]})
    assert database.things.count_documents({"tags": "a"}) == 1


def test_deleted_document_frees_its_keys(database: Database) -> None:
    database.things.create_index("sku", unique=True)
    database.things.insert_one({"_id": 1, "sku": "A"})
    database.things.delete_one({"_id": 1})
    database.things.insert_one({"_id": 2, "sku": "A"})
    assert [one["_id"] for one in database.things.find()] == [2]


def test_changed_document_frees_its_old_key_and_owns_the_new(database: Database) -> None:
    database.things.create_index("sku", unique=True)
    database.things.insert_one({"_id": 1, "sku": "A"})
    database.things.update_one({"_id": 1}, {"$set": {"sku": "B"}})
    database.things.insert_one({"_id": 2, "sku": "A"})
    with pytest.raises(DuplicateKeyError):
        database.things.insert_one({"sku": "B"})


def test_refused_change_leaves_document_and_keys(database: Database) -> None:
    database.things.create_index("sku", unique=True)
    database.things.insert_many([{"_id": 1, "sku": "A"}, {"_id": 2, "sku": "B"}])
    with pytest.raises(DuplicateKeyError):
        database.things.update_one({"_id": 2}, {"$set": {"sku": "A", "name": "lamp"}})
    assert database.things.find_one({"_id": 2}) == {"_id": 2, "sku": "B"}


def test_compound_key_is_the_whole_combination(database: Database) -> None:
    database.things.create_index([("shop", ASCENDING), ("sku", ASCENDING)], unique=True)
    database.things.insert_many([{"shop": 1, "sku": "A"}, {"shop": 2, "sku": "A"}])
    with pytest.raises(DuplicateKeyError) as refused:
        database.things.insert_one({"shop": 2, "sku": "A"})
    assert (refused.value.details or {})["keyValue"] == {"shop": 2, "sku": "A"}


def test_two_arrays_cannot_share_an_index(database: Database) -> None:
    database.things.create_index([("a", ASCENDING), ("b", ASCENDING)])
    with pytest.raises(OperationFailure) as refused:
        database.things.insert_one({"a": [1], "b": [2]})
    assert refused.value.code == 171


def test_failed_list_of_indexes_builds_none(database: Database) -> None:
    database.things.insert_many([{"sku": "A"}, {"sku": "A"}])
    with pytest.raises(DuplicateKeyError):
        database.things.create_indexes([IndexModel("name"), IndexModel("sku", unique=True)])
    assert list(database.things.index_information()) == ["_id_"]


def test_refused_index_leaves_no_collection_behind(database: Database) -> None:
    assert refused_code(database, {"key": {"a": "text"}, "name": "a_text"}) == 238
    assert database.list_collection_names() == []


def test_kinds_and_options_that_are_not_supported_are_refused(database: Database) -> None:
    for index in (
        {"key": {"a": "hashed"}},
        {"key": {"$**": 1}},
        {"key": {"a": 1}, "expireAfterSeconds": 60},
        {"key": {"a": 1}, "collation": {"locale": "de"}},
    ):
        assert refused_code(database, {**index, "name": "one"}) == 238


def test_malformed_index_is_refused(database: Database) -> None:
    for key in ({}, {"a": 0}, {"a": True}, {"a..b": 1}, {"$a": 1}):
        assert refused_code(database, {"key": key, "name": "one"}) == 67


def test_indexes_are_listed_as_they_were_declared(database: Database) -> None:
    database.things.create_index("sku", unique=True, sparse=True, name="own")
    told = list(database.things.list_indexes())
    assert told == [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"},
        {"v": 2, "key": {"sku": 1}, "name": "own", "unique": True, "sparse": True},
    ]


def test_dropped_index_refuses_no_more(database: Database) -> None:
    database.things.create_index("sku", unique=True)
    database.things.drop_index("sku_1")
    database.things.insert_many([{"sku": "A"}, {"sku": "A"}])
    assert database.things.count_documents({}) == 2


def test_index_on_the_identity_cannot_be_dropped(database: Database) -> None:
    database.things.insert_one({})
    with pytest.raises(OperationFailure, match="cannot drop _id index"):
        database.things.drop_index("_id_")


def test_unknown_index_cannot_be_dropped_or_hinted_at(database: Database) -> None:
    database.things.insert_one({})
    with pytest.raises(OperationFailure) as refused:
        database.things.drop_index("none")
    assert refused.value.code == 27
    with pytest.raises(OperationFailure, match="does not correspond to an existing index"):
        list(database.things.find(hint="none"))


def test_natural_order_is_that_of_insertion(database: Database) -> None:
    database.things.insert_many([{"_id": 2}, {"_id": 1}, {"_id": 3}])
    assert [one["_id"] for one in database.things.find().sort("$natural", -1)] == [3, 1, 2]
    database.things.update_one({"_id": 2}, {"$set": {"a": 1}})
    assert [one["_id"] for one in database.things.find()] == [2, 1, 3]
