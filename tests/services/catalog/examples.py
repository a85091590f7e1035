"""Requests for products of each kind, and documents that go around the validator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from lab_support.documents.types import Collection
from lab_support.documents.validators import apply_validator
from lab_support.services.catalog.entities import COLLECTION, VALIDATOR

PRODUCTS = "/catalog/products"


def a_monitor(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "monitor",
        "sku": "MON-1",
        "name": "Clear 27",
        "price": "349.00",
        "diagonal_inches": 27,
        "resolution": {"width": 3840, "height": 2160},
    } | fields


def a_tshirt(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "tshirt",
        "sku": "TEE-1",
        "name": "Plain",
        "price": "14.90",
        "size": "M",
        "colour": "green",
    } | fields


def a_book(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "book",
        "sku": "BOOK-1",
        "name": "Engines",
        "price": "24.00",
        "isbn": "9781234567897",
        "authors": ["A. Lovelace"],
    } | fields


async def created(client: httpx.AsyncClient, *products: dict[str, Any]) -> list[dict[str, Any]]:
    answers = [await client.post(PRODUCTS, json=product) for product in products]
    assert [answer.status_code for answer in answers] == [201] * len(products), answers[-1].text
    return [answer.json() for answer in answers]


@asynccontextmanager
async def unvalidated(stored: Collection) -> AsyncIterator[None]:
    """Let documents in as they came before the collection had a validator."""
    command = {"collMod": COLLECTION, "validationLevel": "off"}
    await stored.database.command(command)
    try:
        yield
    finally:
        await apply_validator(stored.database, COLLECTION, VALIDATOR)
