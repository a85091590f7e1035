"""How MongoDB's manual says that documents are found, sorted and counted; for any server."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

Document = dict[str, Any]


class QueryConformance:
    """Finding documents. A subclass supplies the fixture `database`, empty for each test."""

    def ids(
        self, database: Database[Document], query: Document, documents: list[Any], **options: Any
    ) -> list[Any]:
        """Give the `_id` of what a filter finds among documents `{_id: 0, a: …}`, `{_id: 1, a: …}`, …"""
        if documents:
            database.things.insert_many(
                [{"_id": number, **fields} for number, fields in enumerate(documents)]
            )
        return [found["_id"] for found in database.things.find(query, **options)]

    def test_null_finds_missing_and_null(self, database: Database[Document]) -> None:
        """Only `$exists` tells one from the other."""
        documents = [{}, {"a": None}, {"a": 0}]

        assert self.ids(database, {"a": None}, documents) == [0, 1]
        assert self.ids(database, {"a": None, "$expr": {"$eq": [{"$type": "$a"}, "missing"]}}, []) == [0]
        assert self.ids(database, {"a": {"$exists": True}}, []) == [1, 2]
        assert self.ids(database, {"a": {"$gte": None}}, []) == [0, 1]

    def test_one_is_not_true(self, database: Database[Document]) -> None:
        """Numbers and booleans are different kinds."""
        documents = [{"a": 1}, {"a": True}, {"a": 0}, {"a": False}]

        assert self.ids(database, {"a": 1}, documents) == [0]
        assert self.ids(database, {"a": {"$in": [True, False]}}, []) == [1, 3]

    def test_comparison_keeps_to_its_kind(self, database: Database[Document]) -> None:
        """A number is neither above nor below a string."""
        documents = [{"a": 5}, {"a": "5"}, {"a": Decimal128("5.5")}, {"a": None}, {}]

        assert self.ids(database, {"a": {"$gt": 4}}, documents) == [0, 2]
        assert self.ids(database, {"a": {"$lte": "9"}}, []) == [1]

    def test_decimals_compare_with_all_numbers(self, database: Database[Document]) -> None:
        """By value, whatever their digits."""
        documents = [{"a": Decimal128("1.10")}, {"a": 1.5}, {"a": 2}, {"a": Int64(1)}]

        assert self.ids(database, {"a": Decimal128("1.1")}, documents) == [0]
        assert self.ids(database, {"a": {"$gte": Decimal128("1.5")}}, []) == [1, 2]
        assert self.ids(database, {}, [], sort=[("a", ASCENDING)]) == [3, 0, 1, 2]

    def test_type_tells_the_kinds_of_numbers(self, database: Database[Document]) -> None:
        """`int`, `long`, `double` and `decimal`, or all as `number`."""
        documents = [{"a": 1}, {"a": Int64(1)}, {"a": 1.0}, {"a": Decimal128("1")}, {"a": "1"}, {"a": [1]}]

        assert self.ids(database, {"a": {"$type": "int"}}, documents) == [0, 5]
        assert self.ids(database, {"a": {"$type": "long"}}, []) == [1]
        assert self.ids(database, {"a": {"$type": ["double", "decimal"]}}, []) == [2, 3]
        assert self.ids(database, {"a": {"$type": "number"}}, []) == [0, 1, 2, 3, 5]
        assert self.ids(database, {"a": {"$type": "array"}}, []) == [5]

    def test_sort_follows_the_order_of_kinds(self, database: Database[Document]) -> None:
        """MinKey, null, numbers, strings, objects, arrays by an element, binary, id, bool, date, …, MaxKey."""
        values = [
            MinKey(),
            [],
            None,
            1,
            Decimal128("2"),
            "a",
            {"b": 1},
            Binary(b"x"),
            ObjectId(),
            False,
            True,
            datetime(2026, 1, 1, tzinfo=UTC),
            Timestamp(1, 1),
            Regex("x"),
            MaxKey(),
        ]
        documents = [{"a": value} for value in values]
        order = [("a", ASCENDING), ("_id", ASCENDING)]

        assert self.ids(database, {}, documents, sort=order) == list(range(len(values)))
        assert self.ids(database, {}, [], sort=[("a", DESCENDING)]) == list(reversed(range(len(values))))

    def test_arrays_sort_by_their_extreme(self, database: Database[Document]) -> None:
        """The least element counts upwards, the greatest downwards."""
        documents = [{"a": [5, 1]}, {"a": 3}, {"a": [2, 4]}]

        assert self.ids(database, {}, documents, sort=[("a", ASCENDING)]) == [0, 2, 1]
        assert self.ids(database, {}, [], sort=[("a", DESCENDING)]) == [0, 2, 1]

    def test_fields_of_embedded_documents_have_an_order(self, database: Database[Document]) -> None:
        """A whole document is equal only with its fields in that order."""
        documents = [{"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}]

        assert self.ids(database, {"a": {"b": 1, "c": 2}}, documents) == [0]
        assert self.ids(database, {"a.b": 1, "a.c": 2}, []) == [0, 1]

    def test_element_match_wants_one_element(self, database: Database[Document]) -> None:
        """Without it, two elements may share the conditions."""
        documents = [{"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}, {"a": [{"b": 1, "c": 2}]}]

        assert self.ids(database, {"a.b": 1, "a.c": 2}, documents) == [0, 1]
        assert self.ids(database, {"a": {"$elemMatch": {"b": 1, "c": 2}}}, []) == [1]

    def test_projection_gives_what_was_asked(self, database: Database[Document]) -> None:
        """Wanted fields with `_id`, or all but the unwanted."""
        database.things.insert_one({"_id": 1, "a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}]})

        assert database.things.find_one({}, {"a.b": 1}) == {"_id": 1, "a": {"b": 1}}
        assert database.things.find_one({}, {"d.e": 1, "_id": 0}) == {"d": [{"e": 1}]}
        assert database.things.find_one({}, {"a": 0}) == {"_id": 1, "d": [{"e": 1, "f": 2}]}

    def test_projection_of_both_kinds_is_refused(self, database: Database[Document]) -> None:
        """Only `_id` may differ from the rest."""
        database.things.insert_one({"a": 1})

        with pytest.raises(OperationFailure) as caught:
            database.things.find_one({}, {"a": 1, "b": 0})

        assert caught.value.code in (31253, 31254)

    def test_cursor_fetches_in_batches(self, database: Database[Document]) -> None:
        """All documents come, with skip and limit too."""
        database.things.insert_many([{"_id": number} for number in range(250)])

        assert len(list(database.things.find(batch_size=7))) == 250
        found = database.things.find(sort=[("_id", DESCENDING)], skip=10, limit=5, batch_size=2)
        assert [one["_id"] for one in found] == [239, 238, 237, 236, 235]

    def test_counts_and_distinct_values(self, database: Database[Document]) -> None:
        """Elements of arrays are values of their own."""
        database.things.insert_many([{"a": 1}, {"a": [1, 2]}, {"a": 1.0}, {"b": 3}])

        assert database.things.count_documents({"a": 1}) == 3
        assert database.things.estimated_document_count() == 4
        assert sorted(database.things.distinct("a")) == [1, 2]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"a": {"$gtt": 1}}, 2),
            ({"$or": []}, 2),
            ({"a": {"$in": 1}}, 2),
            ({"a": {"$regex": "("}}, 51091),
            ({"a": {"$type": "text"}}, 2),
        ],
        ids=["operator", "or", "in", "regex", "type"],
    )
    def test_malformed_filter_is_refused(
        self, database: Database[Document], query: Document, code: int
    ) -> None:
        """Even where there are no documents."""
        with pytest.raises(OperationFailure) as caught:
            database.things.find_one(query)

        assert caught.value.code == code

    def test_aggregation_reports_drift(self, database: Database[Document]) -> None:
        """Field by BSON type by count, from the data themselves."""
        database.things.insert_many(
            [{"_id": 1, "a": 1}, {"_id": 2, "a": "x"}, {"_id": 3, "a": 2}, {"_id": 4}]
        )
        pipeline = [
            {"$project": {"fields": {"$objectToArray": "$$ROOT"}}},
            {"$unwind": "$fields"},
            {"$group": {"_id": {"field": "$fields.k", "type": {"$type": "$fields.v"}}, "count": {"$sum": 1}}},
            {"$sort": {"_id.field": 1, "count": -1}},
        ]

        found = [
            (row["_id"]["field"], row["_id"]["type"], row["count"])
            for row in database.things.aggregate(pipeline)
        ]

        assert found == [("_id", "int", 4), ("a", "int", 2), ("a", "string", 1)]

    def test_aggregation_adds_decimals_exactly(self, database: Database[Document]) -> None:
        """0.10 + 0.20 is 0.30."""
        prices = [Decimal128("0.10"), Decimal128("0.20")]
        database.things.insert_many([{"price": price} for price in prices])

        (row,) = database.things.aggregate([{"$group": {"_id": None, "sum": {"$sum": "$price"}}}])

        assert row["sum"] == Decimal128("0.30")

    def test_lookup_finds_orphans(self, database: Database[Document]) -> None:
        """Orders whose product is gone have nothing joined."""
        database.products.insert_one({"_id": "lamp"})
        database.orders.insert_many([{"_id": 1, "product": "lamp"}, {"_id": 2, "product": "desk"}])
        join = {"from": "products", "localField": "product", "foreignField": "_id", "as": "found"}

        orphans = list(database.orders.aggregate([{"$lookup": join}, {"$match": {"found": []}}]))

        assert [orphan["_id"] for orphan in orphans] == [2]
