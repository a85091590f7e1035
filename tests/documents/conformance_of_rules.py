"""How MongoDB's manual says that indexes and validators guard a collection; for any server."""

from typing import Any

import pytest
from bson import Decimal128
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteError

Document = dict[str, Any]

USERS = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["name", "year"],
        "properties": {
            "name": {"bsonType": "string", "minLength": 2, "description": "must be a string"},
            "year": {"bsonType": "int", "minimum": 1900, "maximum": 2100},
        },
    }
}
GOOD: Document = {"_id": 1, "name": "Ada", "year": 1915}
BAD: Document = {"_id": 2, "name": "B", "year": 1915}


class RuleConformance:
    """Indexes and validators. A subclass supplies the fixture `database`, empty for each test."""

    def refused_by_index(self, things: Collection[Document], document: Document) -> Document:
        """Insert a duplicate; give the details of the error."""
        with pytest.raises(DuplicateKeyError) as caught:
            things.insert_one(document)
        details = caught.value.details or {}
        assert details["code"] == 11000
        return dict(details)

    def test_unique_index_refuses_and_names_the_key(self, database: Database[Document]) -> None:
        """The answer has the index's fields and the value."""
        database.things.create_index("sku", unique=True)
        database.things.insert_one({"sku": "a"})

        details = self.refused_by_index(database.things, {"sku": "a"})

        assert (details["keyPattern"], details["keyValue"]) == ({"sku": 1}, {"sku": "a"})
        assert "sku_1" in details["errmsg"]

    def test_unique_index_takes_one_missing_field(self, database: Database[Document]) -> None:
        """Missing and null are one value of it."""
        database.things.create_index("sku", unique=True)
        database.things.insert_one({"a": 1})

        assert self.refused_by_index(database.things, {"sku": None})["keyValue"] == {"sku": None}

    def test_sparse_index_overlooks_missing_but_not_null(self, database: Database[Document]) -> None:
        """Any number of documents may lack the field; only one may have null."""
        database.things.create_index("sku", unique=True, sparse=True)
        database.things.insert_many([{}, {}, {"sku": None}])

        assert self.refused_by_index(database.things, {"sku": None})["keyValue"] == {"sku": None}
        assert database.things.count_documents({}) == 3

    def test_partial_index_looks_at_its_part(self, database: Database[Document]) -> None:
        """Elsewhere duplicates are welcome."""
        database.things.create_index("sku", unique=True, partialFilterExpression={"live": True})
        database.things.insert_many([{"sku": "a"}, {"sku": "a"}, {"sku": "a", "live": True}])

        refused = self.refused_by_index(database.things, {"sku": "a", "live": True})
        assert refused["keyValue"] == {"sku": "a"}
        assert database.things.count_documents({"sku": "a"}) == 3

    def test_unique_index_looks_into_arrays(self, database: Database[Document]) -> None:
        """No element twice in two documents; in one document it may be."""
        database.things.create_index("tags", unique=True)
        database.things.insert_many([{"tags": ["a", "b", "b"]}, {"tags": ["c"]}])

        assert self.refused_by_index(database.things, {"tags": ["d", "b"]})["keyValue"] == {"tags": "b"}

    def test_unique_index_finds_equal_numbers_and_no_booleans(self, database: Database[Document]) -> None:
        """1, 1.0 and Decimal128("1.0") are one; true is another."""
        database.things.create_index("n", unique=True)
        database.things.insert_many([{"n": 1}, {"n": True}])

        assert self.refused_by_index(database.things, {"n": Decimal128("1.0")})["keyPattern"] == {"n": 1}
        assert database.things.count_documents({}) == 2

    def test_unique_index_guards_updates(self, database: Database[Document]) -> None:
        """A refused change changes nothing."""
        database.things.create_index("sku", unique=True)
        database.things.insert_many([{"_id": 1, "sku": "a"}, {"_id": 2, "sku": "b"}])

        with pytest.raises(DuplicateKeyError):
            database.things.update_one({"_id": 2}, {"$set": {"sku": "a"}})

        assert database.things.find_one({"_id": 2}) == {"_id": 2, "sku": "b"}

    def test_unique_index_over_duplicates_is_not_built(self, database: Database[Document]) -> None:
        """The collection keeps the indexes it had."""
        database.things.insert_many([{"sku": "a"}, {"sku": "a"}])

        with pytest.raises(DuplicateKeyError):
            database.things.create_index("sku", unique=True)

        assert list(database.things.index_information()) == ["_id_"]

    def test_same_index_again_is_no_error_and_another_is(self, database: Database[Document]) -> None:
        """The same name with other options is refused."""
        database.things.create_index("sku")
        database.things.create_index("sku")

        with pytest.raises(OperationFailure) as caught:
            database.things.create_index("sku", unique=True)

        assert caught.value.code in (85, 86)

    def guarded(self, database: Database[Document], **options: Any) -> Collection[Document]:
        """Make a collection with the validator for users."""
        return database.create_collection("users", validator=USERS, **options)

    def test_validator_refuses_and_explains(self, database: Database[Document]) -> None:
        """Code 121 with the rule that is not met."""
        users = self.guarded(database)
        users.insert_one(GOOD)

        with pytest.raises(WriteError) as caught:
            users.insert_one(BAD)

        told = (caught.value.details or {})["errInfo"]
        assert caught.value.code == 121
        assert told == {
            "failingDocumentId": 2,
            "details": {
                "operatorName": "$jsonSchema",
                "schemaRulesNotSatisfied": [
                    {
                        "operatorName": "properties",
                        "propertiesNotSatisfied": [
                            {
                                "propertyName": "name",
                                "description": "must be a string",
                                "details": [
                                    {
                                        "operatorName": "minLength",
                                        "specifiedAs": {"minLength": 2},
                                        "reason": "specified string length was not satisfied",
                                        "consideredValue": "B",
                                    }
                                ],
                            }
                        ],
                    }
                ],
            },
        }

    def test_every_way_of_writing_is_validated(self, database: Database[Document]) -> None:
        """Updates, replacements, upserts, find-and-modify and bulk inserts."""
        users = self.guarded(database)
        users.insert_one(GOOD)
        attempts = [
            lambda: users.update_one({"_id": 1}, {"$set": {"year": 1}}),
            lambda: users.replace_one({"_id": 1}, {"name": "Bob"}),
            lambda: users.update_one({"_id": 9}, {"$set": {"name": "C"}}, upsert=True),
            lambda: users.find_one_and_update({"_id": 1}, {"$unset": {"name": 1}}),
            lambda: users.insert_many([BAD]),
        ]

        for attempt in attempts:
            with pytest.raises((WriteError, OperationFailure, BulkWriteError)) as caught:
                attempt()
            details = caught.value.details or {}
            assert details.get("code", details.get("writeErrors", [{}])[0].get("code")) == 121
        assert list(users.find()) == [GOOD]

    def test_validator_can_be_bypassed_on_purpose(self, database: Database[Document]) -> None:
        """Imports say so."""
        self.guarded(database).insert_one(BAD, bypass_document_validation=True)

        assert database.users.count_documents({}) == 1

    def test_moderate_level_leaves_legacy_alone(self, database: Database[Document]) -> None:
        """What was invalid may be changed; what is valid may not become invalid."""
        database.users.insert_many([GOOD, BAD])
        database.command("collMod", "users", validator=USERS, validationLevel="moderate")

        assert database.users.update_one({"_id": 2}, {"$set": {"a": 1}}).modified_count == 1
        with pytest.raises(WriteError):
            database.users.update_one({"_id": 1}, {"$set": {"name": "x"}})
        database.command("collMod", "users", validationLevel="strict")
        with pytest.raises(WriteError):
            database.users.update_one({"_id": 2}, {"$set": {"a": 2}})

    def test_warning_is_logged_and_nothing_refused(self, database: Database[Document]) -> None:
        """`getLog` shows the document."""
        users = self.guarded(database, validationAction="warn")
        users.insert_one({"_id": "let pass", "name": "B"})

        lines = database.client.admin.command("getLog", "global")["log"]
        assert any("Document would fail validation" in line and "let pass" in line for line in lines)
        assert users.count_documents({}) == 1

    def test_level_off_refuses_nothing(self, database: Database[Document]) -> None:
        """The validator is kept for later."""
        self.guarded(database, validationLevel="off").insert_one(BAD)

        options = database.users.options()
        assert (options["validator"], options["validationLevel"]) == (USERS, "off")

    @pytest.mark.parametrize(
        "schema",
        [{"minLenght": 2}, {"properties": {"a": {"format": "email"}}}, {"required": []}],
        ids=["misspelt", "unsupported", "empty"],
    )
    def test_bad_schema_leaves_no_collection_behind(
        self, database: Database[Document], schema: Document
    ) -> None:
        """Code 9, before anything is made."""
        with pytest.raises(OperationFailure) as caught:
            database.create_collection("users", validator={"$jsonSchema": schema})

        assert caught.value.code == 9
        assert database.list_collection_names() == []

    def test_bad_schema_leaves_the_old_validator(self, database: Database[Document]) -> None:
        """`collMod` changes all or nothing."""
        self.guarded(database)

        with pytest.raises(OperationFailure):
            database.command("collMod", "users", validator={"$jsonSchema": {"minLenght": 2}})

        assert database.users.options()["validator"] == USERS
