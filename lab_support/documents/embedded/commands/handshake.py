"""Commands about the server itself.

Section:
    13.7, "One client for one process"
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson import Int64

from lab_support.documents.embedded.commands.arguments import document
from lab_support.documents.embedded.commands.registry import NO_TRANSACTIONS, Call, command
from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.fail_points import parse_fail_point
from lab_support.documents.embedded.wire import MAX_DOCUMENT_BYTES, MAX_MESSAGE_BYTES, MAX_WRITE_BATCH

Document = dict[str, Any]

VERSION = (7, 0, 0)
_WIRE_VERSION = 21


def _answer(**values: Any) -> Document:
    return values


@command(
    "hello",
    "*",
    also="isMaster ismaster",
)
def hello(call: Call) -> Document:
    """Say what this server is: one on its own, without a replica set, and so without transactions."""
    client = document(call.body, "client")
    application = client.get("application")
    if isinstance(application, dict):
        call.connection.app_name = application.get("name")
    return {
        "helloOk": True,
        "isWritablePrimary" if call.name == "hello" else "ismaster": True,
        "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
        "maxMessageSizeBytes": MAX_MESSAGE_BYTES,
        "maxWriteBatchSize": MAX_WRITE_BATCH,
        "localTime": datetime.now(UTC),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": call.connection.number,
        "minWireVersion": 0,
        "maxWireVersion": _WIRE_VERSION,
        "readOnly": False,
    }


@command("ping")
def ping(_: Call) -> Document:
    """Answer."""
    return {}


@command("buildInfo", also="buildinfo")
def build_info(_: Call) -> Document:
    """Tell the version of MongoDB whose behaviour is meant; `embedded` says that this is not it."""
    return _answer(
        version=".".join(map(str, VERSION)),
        versionArray=[*VERSION, 0],
        gitVersion="embedded",
        embedded=True,
        modules=[],
        bits=64,
        debug=False,
        maxBsonObjectSize=MAX_DOCUMENT_BYTES,
    )


@command("serverStatus", "repl metrics locks", also="serverstatus")
def server_status(call: Call) -> Document:
    """Count connections, as a witness of pools; a driver's own monitor counts as well."""
    return _answer(
        process="embedded",
        version=".".join(map(str, VERSION)),
        connections={"current": call.engine.connections, "totalCreated": call.engine.connections_made},
        metrics={"cursor": {"open": {"total": Int64(len(call.engine.cursors))}}},
    )


@command("getLog", admin_only=True)
def get_log(call: Call) -> Document:
    """Give the lines of the log, the warnings of validators among them."""
    name = call.body["getLog"]
    if name == "*":
        return _answer(names=["global", "startupWarnings"])
    if name not in ("global", "startupWarnings"):
        raise CommandError(96, f"No log is named '{name}'; there are 'global' and 'startupWarnings'.")
    lines = call.engine.log.lines() if name == "global" else []
    return _answer(totalLinesWritten=len(lines), log=lines)


@command("endSessions")
def end_sessions(_: Call) -> Document:
    """Take note that sessions have ended; this server keeps nothing about them."""
    return {}


@command("configureFailPoint", "mode data", admin_only=True)
def configure_fail_point(call: Call) -> Document:
    """Have commands fail, wait or lose their connection."""
    call.engine.fail_point = parse_fail_point(
        call.body["configureFailPoint"], call.body.get("mode"), document(call.body, "data")
    )
    return {"count": 0}


@command("explain", "*")
def explain(_: Call) -> Document:
    """Refuse to explain: this server has no plans, and makes none up."""
    raise not_implemented("explain: it has no query plans")


@command("commitTransaction", "*", also="abortTransaction", admin_only=True)
def end_transaction(_: Call) -> Document:
    """Refuse to end a transaction: none can have begun."""
    raise CommandError(20, NO_TRANSACTIONS)
