"""Money in documents: exact, and never a float."""

from decimal import Decimal

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from lab_support.documents.money import Money


class Priced(BaseModel):
    price: Money


@given(st.decimals(min_value=0, max_value=Decimal("9999999999.99"), places=2))
def test_amount_survives_both_ways(amount: Decimal) -> None:
    """Into BSON and back, into JSON and back."""
    priced = Priced(price=amount)

    assert Priced.model_validate(priced.model_dump()).price == amount
    assert Priced.model_validate_json(priced.model_dump_json()).price == amount


def test_document_gets_a_decimal_and_json_a_text() -> None:
    """Always with two decimals; minus nothing is nothing."""
    priced = Priced.model_validate({"price": "1.5"})

    assert priced.model_dump() == {"price": Decimal128("1.50")}
    assert priced.model_dump_json() == '{"price":"1.50"}'
    assert Priced.model_validate({"price": "-0"}).model_dump_json() == '{"price":"0.00"}'


@pytest.mark.parametrize(
    "wrong",
    [
        "-0.01",
        "0.001",
        "10000000000",
        "NaN",
        "Infinity",
        "1e400",
        "",
        None,
        {"$gt": 0},
        Decimal128("NaN"),
        Decimal128("-1"),
        Decimal128("1e-6000"),
    ],
    ids=repr,
)
def test_what_is_no_amount_is_refused(wrong: object) -> None:
    """Negative, too fine, too large, or no number."""
    with pytest.raises(ValidationError):
        Priced.model_validate({"price": wrong}, strict=False)


def test_answers_are_described_as_text() -> None:
    """A client that reads the schema does not parse a float."""
    assert Priced.model_json_schema(mode="serialization")["properties"]["price"]["type"] == "string"
