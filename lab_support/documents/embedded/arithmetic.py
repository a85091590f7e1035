"""Sums and products of BSON numbers, with the type that MongoDB gives the result."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import localcontext
from typing import Any, Final

from bson import Decimal128, Int64
from bson.decimal128 import create_decimal128_context

from lab_support.documents.embedded.kinds import is_int32

_INT64_LIMIT: Final = 2**63


def add(left: Any, right: Any) -> Any:
    """The sum: a decimal if one of both is, else a double if one is, else an integer that grows from int to long.

    Raises:
        OverflowError: The sum has more than 64 bits.
    """
    return _combine(operator.add, left, right)


def multiply(left: Any, right: Any) -> Any:
    """The product, typed like a sum.

    Raises:
        OverflowError: The product has more than 64 bits.
    """
    return _combine(operator.mul, left, right)


def _combine(combine: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if isinstance(left, Decimal128) or isinstance(right, Decimal128):
        context = create_decimal128_context()
        with localcontext(context):
            return Decimal128(combine(_decimal(left).to_decimal(), _decimal(right).to_decimal()))
    if isinstance(left, float) or isinstance(right, float):
        return combine(float(left), float(right))
    result = combine(int(left), int(right))
    if not -_INT64_LIMIT <= result < _INT64_LIMIT:
        raise OverflowError("the result has more than 64 bits")
    return result if is_int32(left) and is_int32(right) and is_int32(result) else Int64(result)


def _decimal(value: Any) -> Decimal128:
    if isinstance(value, Decimal128):
        return value
    return Decimal128(f"{value:.15g}" if isinstance(value, float) else str(value))
