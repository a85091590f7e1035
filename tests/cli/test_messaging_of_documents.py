"""`lab relay` and `lab outbox` for the catalogue, whose events wait in documents: on a server, or in one process."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId

from lab_support.documents.client import mongo_client
from lab_support.messaging import Event
from lab_support.services.catalog.entities import COLLECTION
from lab_support.services.catalog.handlers import OrderCounter
from tests.cli.test_messaging_verbs import lab, one_line
from tests.documents.databases import mongo_url  # noqa: F401 - a fixture
from tests.services.catalog.talking import add_products


@pytest.fixture
def data(tmp_path: Path, mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """Give the folder of the bus; two products on a server have something to tell."""
    url = f"{mongo_url.rstrip('/')}/test_{uuid4().hex}"
    monkeypatch.setenv("LAB_MONGODB_URL", url)
    on(url, lambda products: add_products(products, 2))
    return tmp_path


def on(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with mongo_client(url, driver="pymongo") as client:
            return await work(client.get_default_database()[COLLECTION])

    return asyncio.run(main())


@pytest.fixture
def url(data: Path) -> str:
    import os

    return os.environ["LAB_MONGODB_URL"]


def damage(url: str) -> ObjectId:
    """Change a product's event into none, so that it is parked by its last attempt."""

    async def spoil(products: Any) -> ObjectId:
        product = await products.find_one({"sku": "TEE-0"})
        change = {"outbox.pending.0.type": "", "outbox.attempts": 4}
        await products.update_one({"_id": product["_id"]}, {"$set": change})
        return ObjectId(product["_id"])

    found: ObjectId = on(url, spoil)
    return found


def test_relay_once_publishes_what_waits_in_documents(data: Path) -> None:
    first = lab("relay", "--service", "catalog", "--once", "--data", data)
    second = lab("relay", "--service", "catalog", "--once", "--data", data)

    assert (first.exit_code, first.stdout) == (0, "2 event(s) of catalog published.\n")
    assert second.stdout == "0 event(s) of catalog published.\n"


def test_parked_event_of_a_product_is_told_listed_and_tried_again(data: Path, url: str) -> None:
    """Its id is the event's, and its aggregate the product."""
    product = damage(url)

    told = lab("relay", "--service", "catalog", "--once", "--data", data).stdout.splitlines()
    (listed,) = json.loads(lab("outbox", "--service", "catalog", "--data", data, "--json").stdout)
    again = lab("outbox", "--service", "catalog", "--data", data, "--retry", listed["id"])

    assert told[-1] == "1 event(s) of catalog published, 1 parked (see `lab outbox`)."
    assert f"of product {product}: ValidationError" in told[0]
    assert (listed["kind"], listed["aggregate"], listed["attempts"]) == ("outbox", f"product {product}", 5)
    assert (again.exit_code, again.stdout.split(";")[0]) == (0, "1 tried again")
    assert json.loads(lab("outbox", "--service", "catalog", "--data", data, "--json").stdout) == []


def test_order_that_the_catalogue_did_not_understand_is_listed(data: Path, url: str) -> None:
    """It is kept and can't be tried again, which is said."""
    event = Event(type="OrderCreated", aggregate_type="order", aggregate_id="7", payload={})
    on(url, lambda products: OrderCounter(products)(event))

    (listed,) = json.loads(lab("outbox", "--service", "catalog", "--data", data, "--json").stdout)
    again = lab("outbox", "--service", "catalog", "--data", data, "--retry", "all")

    assert (listed["kind"], listed["id"], listed["aggregate"]) == ("inbox", str(event.event_id), "order 7")
    assert again.exit_code == 1
    assert "not counted" in again.stderr


@pytest.mark.parametrize("verb", ["relay", "outbox"])
def test_documents_inside_another_process_are_told_in_one_line(
    data: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Nobody but that process can open them, and it publishes them itself."""
    monkeypatch.delenv("LAB_MONGODB_URL")

    line = one_line(lab(verb, "--service", "catalog", "--data", data))

    assert "Set LAB_MONGODB_URL" in line


@pytest.mark.parametrize("verb", ["relay", "outbox"])
def test_server_that_does_not_answer_is_told_without_its_password(
    data: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("LAB_MONGODB_URL", "mongodb://me:sesame@127.0.0.1:1/?serverSelectionTimeoutMS=50")

    line = one_line(lab(verb, "--service", "catalog", "--data", data))

    assert "127.0.0.1:1" in line
    assert "sesame" not in line
