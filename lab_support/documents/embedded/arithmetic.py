"""Sums and products of BSON numbers, with the type that MongoDB gives the result."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext
from typing import Any, Final

from bson import Decimal128, Int64
from bson.decimal128 import create_decimal128_context

from lab_support.documents.embedded.kinds import is_int32, is_number

_INT64_LIMIT: Final = 2**63


def add(left: Any, right: Any) -> Any:
    """The sum: a decimal if one of both is, else a double if one is, else an integer that grows from int to long.

    Raises:
        OverflowError: The sum has more than 64 bits.
    """
    return combine(operator.add, left, right)


def multiply(left: Any, right: Any) -> Any:
    """The product, typed like a sum.

    Raises:
        OverflowError: The product has more than 64 bits.
    """
    return combine(operator.mul, left, right)


def combine(work: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Do arithmetic with two BSON numbers: the wider type wins, and Decimal128 stays exact.

    Args:
        work: Works on two ints, two floats or two Decimals.
        left: A BSON number.
        right: A BSON number.

    Raises:
        OverflowError: Both are whole numbers and the result has more than 64 bits.
    """
    if isinstance(left, Decimal128) or isinstance(right, Decimal128):
        context = create_decimal128_context()
        with localcontext(context):
            return Decimal128(work(as_decimal(left), as_decimal(right)))
    if isinstance(left, float) or isinstance(right, float):
        return float(work(float(left), float(right)))
    result = work(int(left), int(right))
    if not -_INT64_LIMIT <= result < _INT64_LIMIT:
        raise OverflowError("the result has more than 64 bits")
    return result if is_int32(left) and is_int32(right) and is_int32(result) else Int64(result)


def as_decimal(value: Any) -> Decimal:
    """Give a BSON number as a Decimal; a double is taken with its first 15 digits, as MongoDB does."""
    if isinstance(value, Decimal128):
        return value.to_decimal()
    return Decimal(f"{value:.15g}") if isinstance(value, float) else Decimal(int(value))


def total(values: Iterable[Any]) -> Any:
    """Add up those of the values that are numbers; 0 when none is. Too large a whole number becomes a double."""
    result: Any = 0
    for value in values:
        if is_number(value):
            try:
                result = add(result, value)
            except OverflowError:
                result = float(result) + float(value)
    return result
