"""The embedded server's messages: what it reads, what it answers, and how it takes bytes that are no message."""

import contextlib
import struct

import bson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.database import Database
from wire_client import OP_QUERY, command, connected, header, is_hung_up, message, query, read_reply, sequence

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.embedded.wire import Request, WireError, parse

PING = {"ping": 1, "$db": "admin"}


def test_old_hello_is_answered_in_its_own_form(server: EmbeddedMongo) -> None:
    with connected(server.url) as stream:
        stream.sendall(query({"ismaster": 1, "helloOk": True}))
        reply = read_reply(stream)
    assert (reply["ismaster"], reply["helloOk"], reply["ok"]) == (True, True, 1.0)


def test_hello_promises_no_replica_set(server: EmbeddedMongo) -> None:
    with connected(server.url) as stream:
        stream.sendall(command({"hello": 1, "$db": "admin"}))
        reply = read_reply(stream)
    assert not reply.keys() & {"setName", "topologyVersion", "hosts"}


def test_message_with_a_checksum_is_read(server: EmbeddedMongo) -> None:
    with connected(server.url) as stream:
        stream.sendall(command(PING, flags=1, tail=b"\1\2\3\4"))
        assert read_reply(stream)["ok"] == 1.0


def test_documents_may_come_as_a_sequence(server: EmbeddedMongo, database: Database) -> None:
    body = {"insert": "things", "$db": database.name}
    with connected(server.url) as stream:
        stream.sendall(command(body, sequences=sequence("documents", [{"_id": 1}, {"_id": 2}])))
        assert read_reply(stream)["n"] == 2


def test_unacknowledged_write_gets_no_answer_but_happens(server: EmbeddedMongo, database: Database) -> None:
    body = {"insert": "things", "documents": [{"_id": 1}], "$db": database.name, "writeConcern": {"w": 0}}
    with connected(server.url) as stream:
        stream.sendall(command(body, flags=2) + command({"count": "things", "$db": database.name}))
        assert read_reply(stream)["n"] == 1


def test_two_messages_in_one_packet_get_two_answers(server: EmbeddedMongo) -> None:
    with connected(server.url) as stream:
        stream.sendall(command(PING) * 2)
        assert [read_reply(stream)["ok"] for _ in range(2)] == [1.0, 1.0]


def test_message_cut_into_single_bytes_is_read(server: EmbeddedMongo) -> None:
    with connected(server.url) as stream:
        for number in command(PING):
            stream.sendall(bytes([number]))
        assert read_reply(stream)["ok"] == 1.0


NO_MESSAGES = {
    "negative length": header(-1),
    "length of the header alone": header(16),
    "giant length": header(2**31 - 1) + b"x",
    "more than 48 MB": header(48_000_001) + b"x",
    "unknown opcode": message(b"\0" * 30, opcode=1),
    "compressed": message(b"\0" * 30, opcode=2012),
    "no section": message(struct.pack("<I", 0)),
    "unknown section": message(struct.pack("<I", 0) + b"\7" + bson.encode(PING)),
    "unknown required flag": command(PING, flags=1 << 5),
    "two bodies": command(PING, sequences=b"\0" + bson.encode(PING)),
    "empty body": command({}),
    "BSON longer than the message": message(struct.pack("<IB", 0, 0) + struct.pack("<i", 9999) + b"\0" * 40),
    "BSON of a negative length": message(struct.pack("<IB", 0, 0) + struct.pack("<i", -5) + b"\0" * 40),
    "BSON that is no BSON": message(struct.pack("<IB", 0, 0) + struct.pack("<i", 12) + b"\x99abcdefg"),
    "sequence without an end of its name": message(
        struct.pack("<IB", 0, 1) + struct.pack("<i", 12) + b"abcdefgh"
    ),
    "argument twice": command({"insert": "a", "documents": []}, sequences=sequence("documents", [{}])),
    "query that is no command": query(PING, namespace="shop.products"),
    "query without an end of its name": message(b"x" * 40, opcode=OP_QUERY),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_MESSAGES.values(), ids=list(NO_MESSAGES))
def test_connection_is_closed_on_what_is_no_message(
    server: EmbeddedMongo, client: MongoClient, sent: bytes
) -> None:
    with connected(server.url) as stream:
        stream.sendall(sent)
        assert is_hung_up(stream)
    assert client.admin.command("ping")["ok"] == 1.0


def test_half_a_message_ends_with_its_connection(server: EmbeddedMongo, client: MongoClient) -> None:
    whole = command(PING)
    for size in (1, 15, 16, 17, len(whole) - 1):
        with connected(server.url) as stream:
            stream.sendall(whole[:size])
    assert client.admin.command("ping")["ok"] == 1.0


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(struct.pack("<I", 0) + b"\0" + b"\x05\0\0\0\0")
def test_any_payload_is_a_command_or_no_message(payload: bytes) -> None:
    for opcode in (2013, 2004):
        with contextlib.suppress(WireError):
            assert isinstance(parse(1, opcode, payload), Request)


@settings(deadline=None)
@given(data=st.data())
def test_damaged_message_is_a_command_or_no_message(data: st.DataObject) -> None:
    payload = bytearray(
        command({"insert": "a", "$db": "b", "n": [1, {"x": 2.5}]}, sequences=sequence("d", [{"a": 1}] * 3))[
            16:
        ]
    )
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        assert isinstance(parse(1, 2013, bytes(payload)), Request)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200))
def test_server_outlives_random_bytes(server: EmbeddedMongo, client: MongoClient, sent: bytes) -> None:
    with connected(server.url) as stream:
        stream.sendall(sent)
    assert client.admin.command("ping")["ok"] == 1.0


def test_deeply_nested_document_neither_crashes_nor_is_stored(
    server: EmbeddedMongo, database: Database
) -> None:
    nested = bson.encode({"a": 1})
    for _ in range(20_000):
        size = 4 + 1 + 2 + len(nested) + 1
        nested = struct.pack("<i", size) + b"\x03a\0" + nested + b"\0"
    content = b"documents\0" + nested
    section = b"\1" + struct.pack("<i", 4 + len(content)) + content
    with connected(server.url) as stream:
        stream.sendall(command({"insert": "deep", "$db": database.name}, sequences=section))
        assert is_hung_up(stream)
    assert database.deep.count_documents({}) == 0
