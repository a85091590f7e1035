"""The store's OpenAPI description is the one that callers were promised, and no column slips into an answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lab_support.services.contract import store_contract
from lab_support.services.store.dtos import (
    OrderDetail,
    OrderLine,
    ProductCreate,
    ProductDetail,
    ProductPatch,
    ProductRead,
    ProductReplace,
    ProductSummary,
    UserCreate,
    UserRead,
)
from lab_support.services.store.entities import (
    IdempotencyKey,
    Order,
    OrderItem,
    Payment,
    Product,
    StoreBase,
    User,
)

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "openapi" / "store.json"
RENEW = "python -m lab_support.services.contract > docs/openapi/store.json"


def test_api_is_the_one_that_was_promised() -> None:
    """A change of the contract is seen in a file's difference, not by a caller."""
    served, kept = json.loads(store_contract()), json.loads(KEPT.read_text(encoding="utf-8"))

    assert served == kept, f"The API is not that of docs/openapi/store.json. If the change is meant: {RENEW}"


def test_command_in_the_message_writes_the_file() -> None:
    """The one line that renews the contract gives exactly the kept bytes, on any terminal."""
    command = [sys.executable, *RENEW.partition(" >")[0].split()[1:]]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=True)

    assert done.stdout == KEPT.read_bytes()
    assert done.stderr == b""


UNTOLD = {
    Product: {"supplier_cost", "created_at", "updated_at"},
    User: {"password_hash", "balance", "created_at", "updated_at"},
    Order: {"user_id", "created_at", "updated_at"},
    OrderItem: {"id", "order_id"},
    Payment: {"id", "amount", "created_at"},
    IdempotencyKey: {"key", "fingerprint", "answer", "created_at"},
}
"""The columns that were decided to stay inside."""

TOLD: dict[type[StoreBase], tuple[type[BaseModel], dict[str, str]]] = {
    Product: (ProductDetail, {"id": "product_id", "name": "product_name"}),
    User: (UserRead, {"id": "user_id"}),
    Order: (OrderDetail, {"id": "order_id"}),
    OrderItem: (OrderLine, {}),
    Payment: (OrderDetail, {}),
    IdempotencyKey: (OrderDetail, {}),
}


@pytest.mark.parametrize("entity", list(TOLD), ids=lambda entity: entity.__name__)
def test_every_column_is_told_or_kept_by_decision(entity: type[StoreBase]) -> None:
    """A column that somebody adds fails here until a DTO or the list above has decided about it."""
    shown, renamed = TOLD[entity]
    columns = {column.key for column in entity.__mapper__.column_attrs}

    told = {column for column in columns if renamed.get(column, column) in shown.model_fields}

    assert columns - told == UNTOLD[entity]


def test_every_entity_is_decided_about() -> None:
    """No table of the store is missing in the test above."""
    assert {mapper.class_ for mapper in StoreBase.registry.mappers} >= set(TOLD)
    assert {entity.__tablename__ for entity in TOLD} == set(StoreBase.metadata.tables)


@pytest.mark.parametrize("dto", [ProductCreate, ProductReplace, ProductPatch, UserCreate])
def test_nothing_can_be_sent_that_the_caller_may_not_set(dto: type[BaseModel]) -> None:
    """No request has a field for an id, a cost, a balance or a hash, and fields beside the declared are refused."""
    hidden = {"id", "product_id", "user_id"} | UNTOLD[Product] | UNTOLD[User]

    assert not hidden & set(dto.model_fields)
    assert dto.model_config["extra"] == "forbid"


@pytest.mark.parametrize(
    "dto", [ProductSummary, ProductRead, ProductDetail, UserRead, OrderDetail, OrderLine]
)
def test_answer_has_no_place_for_a_secret(dto: type[BaseModel]) -> None:
    """No answer has a field whose name speaks of costs, passwords or balances."""
    schema: dict[str, Any] = dto.model_json_schema(mode="serialization")

    assert not any(word in json.dumps(schema) for word in ("supplier", "password", "hash", "balance"))
