"""How MongoDB's manual says that documents are inserted, changed and removed; for any server."""

from typing import Any

import pytest
from bson import Decimal128, Int64
from pymongo import DeleteOne, InsertOne, ReturnDocument, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

Document = dict[str, Any]


class WriteConformance:
    """Changing documents. A subclass supplies the fixture `database`, empty for each test."""

    def changed(self, database: Database[Document], document: Document, update: Any) -> Document:
        """Give what an update makes of a document, without `_id`."""
        database.things.insert_one({"_id": 1, **document})
        database.things.update_one({"_id": 1}, update)
        found = database.things.find_one({"_id": 1}, {"_id": 0})
        assert found is not None
        return found

    def refused(self, database: Database[Document], document: Document, update: Any) -> int | None:
        """Give the code with which an update is refused; the document stays as it was."""
        database.things.insert_one({"_id": 1, **document})
        with pytest.raises(WriteError) as caught:
            database.things.update_one({"_id": 1}, update)
        assert database.things.find_one({"_id": 1}) == {"_id": 1, **document}
        return caught.value.code

    def test_matched_is_not_modified(self, database: Database[Document]) -> None:
        """What has the value already is found and not changed."""
        database.things.insert_many([{"_id": 1, "a": 1}, {"_id": 2, "a": 2}])

        result = database.things.update_many({}, {"$set": {"a": 1}})

        assert (result.matched_count, result.modified_count) == (2, 1)

    def test_set_keeps_what_it_does_not_name(self, database: Database[Document]) -> None:
        """A replacement keeps only `_id`."""
        document = {"a": {"b": 1, "c": 2}, "d": 3}

        assert self.changed(database, document, {"$set": {"a.b": 5}}) == {"a": {"b": 5, "c": 2}, "d": 3}
        database.things.replace_one({"_id": 1}, {"z": 1})
        assert database.things.find_one() == {"_id": 1, "z": 1}

    def test_decimal_is_counted_exactly(self, database: Database[Document]) -> None:
        """Money in Decimal128 can be added to by `$inc`."""
        changed = self.changed(database, {"a": Decimal128("0.10")}, {"$inc": {"a": Decimal128("0.20")}})

        assert changed == {"a": Decimal128("0.30")}

    def test_int_grows_into_long(self, database: Database[Document]) -> None:
        """No overflow from 32 to 64 bits."""
        changed = self.changed(database, {"a": 2**31 - 1}, {"$inc": {"a": 1}})

        assert changed == {"a": 2**31}
        assert isinstance(changed["a"], Int64)

    @pytest.mark.parametrize(
        ("document", "update", "code"),
        [
            ({"a": "x"}, {"$inc": {"a": 1}}, 14),
            ({"a": 1}, {"$inc": {"a": "x"}}, 14),
            ({"a": {"b": 1}}, {"$set": {"a": 1, "a.b": 2}}, 40),
            ({"a": 1}, {"$set": {"a": 1}, "$inc": {"a": 1}}, 40),
            ({"a": 1}, {"$set": {"a.b": 1}}, 28),
            ({"a": 1}, {"$push": {"a": 1}}, 2),
            ({"a": 1}, {"$addToSet": {"a": 1}}, 2),
            ({"a": 1}, {"$frobnicate": {"a": 1}}, 9),
            ({"a": 1}, {"$set": {"a..b": 1}}, 56),
            ({"a": 1}, {"$set": {"_id": 2}}, 66),
        ],
        ids=[
            "inc text",
            "by text",
            "conflict",
            "twice",
            "through",
            "push",
            "set of one",
            "unknown",
            "empty",
            "id",
        ],
    )
    def test_impossible_update_is_refused(
        self, database: Database[Document], document: Document, update: Document, code: int
    ) -> None:
        """With a code, and without a trace."""
        assert self.refused(database, document, update) == code

    def test_set_of_values_has_each_once(self, database: Database[Document]) -> None:
        """Also those that come in one `$each`."""
        changed = self.changed(database, {"a": [1]}, {"$addToSet": {"a": {"$each": [2, 1, 2]}}})

        assert changed == {"a": [1, 2]}

    def test_push_sorts_and_cuts(self, database: Database[Document]) -> None:
        """The best three."""
        update = {"$push": {"a": {"$each": [9, 1], "$sort": -1, "$slice": 3}}}

        assert self.changed(database, {"a": [5, 3]}, update) == {"a": [9, 5, 3]}

    def test_pull_removes_what_meets_the_condition(self, database: Database[Document]) -> None:
        """Of values or of documents."""
        document = {"a": [1, 5, 9], "b": [{"c": 1}, {"c": 2}]}

        assert self.changed(database, document, {"$pull": {"a": {"$gte": 5}, "b": {"c": 1}}}) == {
            "a": [1],
            "b": [{"c": 2}],
        }

    def test_dollar_means_the_element_found(self, database: Database[Document]) -> None:
        """The first one that the filter meets."""
        database.things.insert_one({"_id": 1, "a": [{"b": 1}, {"b": 2}]})

        database.things.update_one({"a.b": 2}, {"$set": {"a.$.c": 7}})

        assert database.things.find_one() == {"_id": 1, "a": [{"b": 1}, {"b": 2, "c": 7}]}

    def test_array_filter_changes_several_elements(self, database: Database[Document]) -> None:
        """Those that meet the condition of that name."""
        database.things.insert_one({"_id": 1, "a": [1, 5, 9]})

        database.things.update_one({}, {"$inc": {"a.$[big]": 10}}, array_filters=[{"big": {"$gte": 5}}])

        assert database.things.find_one() == {"_id": 1, "a": [1, 15, 19]}

    def test_pipeline_computes_from_the_document(self, database: Database[Document]) -> None:
        """Other updates cannot use one field for another."""
        changed = self.changed(
            database, {"a": 2, "b": 3}, [{"$set": {"c": {"$add": ["$a", "$b"]}}}, {"$unset": "a"}]
        )

        assert changed == {"b": 3, "c": 5}

    def test_upsert_inserts_what_it_looked_for(self, database: Database[Document]) -> None:
        """Equalities of the filter, then the operators; `$setOnInsert` only now."""
        update = {"$inc": {"n": 1}, "$setOnInsert": {"first": True}}

        made = database.things.update_one({"_id": "x", "kind": "book", "n": {"$lt": 5}}, update, upsert=True)
        again = database.things.update_one({"_id": "x"}, update, upsert=True)

        assert (made.upserted_id, made.matched_count, again.upserted_id, again.modified_count) == (
            "x",
            0,
            None,
            1,
        )
        assert database.things.find_one() == {"_id": "x", "kind": "book", "n": 2, "first": True}

    def test_find_and_modify_gives_before_or_after(self, database: Database[Document]) -> None:
        """One step for finding, changing and giving back."""
        database.things.insert_one({"_id": 1, "stock": 1})
        take: Document = {"$inc": {"stock": -1}}

        before = database.things.find_one_and_update({"stock": {"$gt": 0}}, take)
        nothing = database.things.find_one_and_update({"stock": {"$gt": 0}}, take)
        after = database.things.find_one_and_update({}, take, return_document=ReturnDocument.AFTER)

        assert (before, nothing, after) == ({"_id": 1, "stock": 1}, None, {"_id": 1, "stock": -1})
        assert database.things.find_one_and_delete({"_id": 1}) == {"_id": 1, "stock": -1}

    def test_ordered_bulk_stops_at_its_first_failure(self, database: Database[Document]) -> None:
        """Unordered, the rest is done."""
        requests = [InsertOne({"_id": 1}), InsertOne({"_id": 1}), UpdateOne({"_id": 1}, {"$set": {"a": 1}})]

        with pytest.raises(BulkWriteError) as caught:
            database.things.bulk_write(requests)

        (error,) = caught.value.details["writeErrors"]
        assert (error["index"], error["code"], caught.value.details["nModified"]) == (1, 11000, 0)
        with pytest.raises(BulkWriteError) as caught:
            database.things.bulk_write([*requests, DeleteOne({"_id": 7})], ordered=False)
        assert caught.value.details["nModified"] == 1

    def test_duplicate_id_names_its_key(self, database: Database[Document]) -> None:
        """`_id` is unique without being asked; 1 and 1.0 are one."""
        database.things.insert_one({"_id": 1})

        with pytest.raises(DuplicateKeyError) as caught:
            database.things.insert_one({"_id": 1.0})

        details = caught.value.details or {}
        assert (details["keyPattern"], details["keyValue"]) == ({"_id": 1}, {"_id": 1.0})
        assert "E11000" in str(caught.value)
        assert "_id_" in str(caught.value)

    @pytest.mark.parametrize("identity", [[1], {"$x": 1}], ids=["array", "dollar"])
    def test_impossible_id_is_refused(self, database: Database[Document], identity: Any) -> None:
        """An array or a name that begins with a dollar."""
        with pytest.raises(WriteError) as caught:
            database.things.insert_one({"_id": identity})

        assert caught.value.code in (53, 52)

    def test_document_cannot_outgrow_16_megabytes(self, database: Database[Document]) -> None:
        """Neither by an update."""
        database.things.insert_one({"_id": 1, "a": "x" * 9_000_000})

        with pytest.raises(WriteError) as caught:
            database.things.update_one({"_id": 1}, {"$set": {"b": "x" * 9_000_000}})

        assert caught.value.code in (10334, 17419)

    def test_deletes_one_or_many(self, database: Database[Document]) -> None:
        """`delete_one` takes the first."""
        database.things.insert_many([{"a": 1}, {"a": 1}, {"a": 1}])

        assert database.things.delete_one({"a": 1}).deleted_count == 1
        assert database.things.delete_many({"a": 1}).deleted_count == 2
        assert database.things.delete_many({}).deleted_count == 0
