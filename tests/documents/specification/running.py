"""Runs the cases of a file of the specification, and tells of each how it ended.

Not compared: the commands that the driver sends (`expectEvents`), because they are the driver's business.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tests.documents.specification.operations import NotInThisDriverError, perform
from tests.documents.specification.values import difference, error_difference, plain_result

NOT_IMPLEMENTED = 238
SINGLE = "single"


@dataclass
class Outcome:
    """How a case ended: passed, skipped, refused or failed, and why."""

    status: str
    reason: str = ""


@dataclass
class Stage:
    """The clients, databases and collections that a file declares."""

    url: str
    entities: dict[str, Any] = field(default_factory=dict)

    def build(self, declared: list[Mapping[str, Any]]) -> None:
        """Make them in the declared order."""
        for entity in declared:
            ((kind, spec),) = entity.items()
            self.entities[spec["id"]] = getattr(self, f"_{kind}")(spec)

    def _client(self, spec: Mapping[str, Any]) -> Any:
        return MongoClient(self.url, serverSelectionTimeoutMS=5000, **spec.get("uriOptions", {}))

    def _database(self, spec: Mapping[str, Any]) -> Any:
        options = _options(spec.get("databaseOptions", {}))
        return self.entities[spec["client"]].get_database(spec["databaseName"], **options)

    def _collection(self, spec: Mapping[str, Any]) -> Any:
        options = _options(spec.get("collectionOptions", {}))
        return self.entities[spec["database"]].get_collection(spec["collectionName"], **options)

    def close(self) -> None:
        """Close the clients."""
        for entity in self.entities.values():
            if isinstance(entity, MongoClient):
                entity.close()


def _options(spec: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "readConcern" in spec:
        made["read_concern"] = ReadConcern(**spec["readConcern"])
    if "writeConcern" in spec:
        made["write_concern"] = WriteConcern(**spec["writeConcern"])
    return made


def run_file(url: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Outcome]]:
    """Give the outcome of each case of a file, each on fresh data."""
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    try:
        version = tuple(client.server_info()["versionArray"][:3])
        for case in content["tests"]:
            needs = content.get("runOnRequirements", []), case.get("runOnRequirements", [])
            unmet = case.get("skipReason") or next(
                (why for why in (_unmet(need, version) for need in needs) if why), None
            )
            yield (
                case["description"],
                Outcome("skipped", unmet) if unmet else _run_case(client, url, content, case),
            )
    finally:
        client.close()


def _unmet(requirements: list[Mapping[str, Any]], version: tuple[int, ...]) -> str | None:
    reasons = [_unmet_one(requirement, version) for requirement in requirements]
    return None if not reasons or None in reasons else reasons[0]


def _unmet_one(requirement: Mapping[str, Any], version: tuple[int, ...]) -> str | None:
    if SINGLE not in requirement.get("topologies", [SINGLE]):
        return "needs a replica set"
    least, most = (_version(requirement.get(f"{end}ServerVersion")) for end in ("min", "max"))
    if least and version < least:
        return f"needs a server from {requirement['minServerVersion']} on"
    if most and version > most:
        return f"is about servers up to {requirement['maxServerVersion']}"
    return None


def _version(text: str | None) -> tuple[int, ...] | None:
    return tuple([*map(int, text.split(".")), 0, 0][:3]) if text else None


def _run_case(
    client: MongoClient[dict[str, Any]], url: str, content: Mapping[str, Any], case: Mapping[str, Any]
) -> Outcome:
    for data in content.get("initialData", []):
        collection = client[data["databaseName"]][data["collectionName"]]
        collection.drop()
        if data["documents"]:
            collection.insert_many(data["documents"])
    stage = Stage(url)
    try:
        stage.build(content.get("createEntities", []))
        return _play(stage, case["operations"]) or _final_state(client, case.get("outcome", []))
    except NotInThisDriverError as error:
        return Outcome("skipped", str(error))
    finally:
        stage.close()
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def _play(stage: Stage, operations: list[Mapping[str, Any]]) -> Outcome | None:
    for operation in operations:
        if operation["object"] == "testRunner":
            arguments = operation["arguments"]
            stage.entities[arguments["client"]].admin.command(arguments["failPoint"])
            continue
        ended = _perform(stage, operation)
        if ended:
            return ended
    return None


def _perform(stage: Stage, operation: Mapping[str, Any]) -> Outcome | None:
    expected_error = operation.get("expectError")
    try:
        result = perform(
            stage.entities[operation["object"]], operation["name"], operation.get("arguments", {})
        )
    except (PyMongoError, ValueError, TypeError) as error:
        if operation.get("ignoreResultAndError"):
            return None
        found = error_difference(expected_error, error) if expected_error else "no error is expected"
        if found is None:
            return None
        if f"'code': {NOT_IMPLEMENTED}" in str(error) or getattr(error, "code", None) == NOT_IMPLEMENTED:
            return Outcome("refused", _sentence(error).split(". Set ")[0])
        if expected_error is None:
            return Outcome("failed", f"{operation['name']}: {type(error).__name__}: {_sentence(error)}")
        return Outcome("failed", f"{operation['name']}: {found}")
    if expected_error is not None:
        return Outcome("failed", f"{operation['name']} did not fail")
    if "expectResult" in operation:
        found = difference(operation["expectResult"], plain_result(result))
        return Outcome("failed", f"{operation['name']}: {found}") if found else None
    return None


def _sentence(error: Exception) -> str:
    details = getattr(error, "details", None) or {}
    writes = details.get("writeErrors") or [{}]
    return str(details.get("errmsg") or writes[0].get("errmsg") or error)


def _final_state(client: MongoClient[dict[str, Any]], expected: list[Mapping[str, Any]]) -> Outcome:
    for data in expected:
        collection = client[data["databaseName"]][data["collectionName"]]
        found = list(collection.find(sort=[("_id", 1)]))
        if found != data["documents"]:
            return Outcome("failed", f"the collection holds {found!r}, not {data['documents']!r}")
    return Outcome("passed")
