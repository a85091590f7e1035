"""Arithmetic; null and missing arguments give null, and Decimal128 stays exact.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from bson import Decimal128, Int64

from lab_support.documents.embedded.arithmetic import as_decimal, combine, total
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import is_null, on_values
from lab_support.documents.embedded.kinds import is_number, type_alias
from lab_support.documents.embedded.ordering import sort_key
from lab_support.documents.embedded.value_tests import as_whole_number

_ALL_WHOLE = 2.0**53


def _work(name: str, work: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    for value in (left, right):
        if not is_number(value):
            raise CommandError(14, f"{name} only supports numeric types, not {type_alias(value)}")
    try:
        return combine(work, left, right)
    except OverflowError:
        return float(work(float(left), float(right)))


@on_values("$add", least=0, most=0)
def _add(*values: Any) -> Any:
    if any(map(is_null, values)):
        return None
    moments = [value for value in values if isinstance(value, datetime)]
    result: Any = 0
    for value in values:
        if not isinstance(value, datetime):
            result = _work("$add", lambda one, other: one + other, result, value)
    if not moments:
        return result
    return moments[0] + timedelta(milliseconds=float(as_decimal(result)))


@on_values("$multiply", least=0, most=0)
def _multiply(*values: Any) -> Any:
    if any(map(is_null, values)):
        return None
    result: Any = 1
    for value in values:
        result = _work("$multiply", lambda one, other: one * other, result, value)
    return result


@on_values("$subtract", least=2)
def _subtract(left: Any, right: Any) -> Any:
    if is_null(left) or is_null(right):
        return None
    if isinstance(left, datetime):
        if isinstance(right, datetime):
            return Int64(round((left - right) / timedelta(milliseconds=1)))
        return left - timedelta(milliseconds=float(as_decimal(right)))
    return _work("$subtract", lambda one, other: one - other, left, right)


@on_values("$divide", least=2)
def _divide(left: Any, right: Any) -> Any:
    if is_null(left) or is_null(right):
        return None
    if is_number(right) and as_decimal(right) == 0:
        raise CommandError(2, "can't $divide by zero")
    if isinstance(left, Decimal128) or isinstance(right, Decimal128):
        return _work("$divide", lambda one, other: one / other, left, right)
    return _work("$divide", lambda one, other: one / other, _real(left), _real(right))


@on_values("$mod", least=2)
def _mod(left: Any, right: Any) -> Any:
    if is_null(left) or is_null(right):
        return None
    if is_number(right) and as_decimal(right) == 0:
        raise CommandError(16610, "can't $mod by zero")
    return _work("$mod", _remainder, left, right)


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return math.fmod(left, right)
    if isinstance(left, Decimal):
        return left % right
    return (
        int(math.copysign(abs(left) % abs(right), left))
        if abs(left) < 2**53
        else left - right * int(left / right)
    )


@on_values("$abs")
def _abs(value: Any) -> Any:
    return None if is_null(value) else _work("$abs", lambda one, _: abs(one), value, 0)


def _rounding(name: str, mode: str, whole_float: Callable[[float], float]) -> None:
    @on_values(name)
    def work(value: Any) -> Any:
        if is_null(value):
            return None
        _demand(name, value)
        if isinstance(value, Decimal128):
            return Decimal128(value.to_decimal().to_integral_value(mode))
        if isinstance(value, float) and math.isfinite(value):
            return float(whole_float(value))
        return value


_rounding("$floor", ROUND_FLOOR, math.floor)
_rounding("$ceil", ROUND_CEILING, math.ceil)


def _rounded(value: float, unit: Decimal, mode: str) -> float:
    with localcontext(prec=400):
        return float(Decimal(repr(value)).quantize(unit, mode))


def _to_places(name: str, mode: str) -> None:
    @on_values(name, least=1, most=2)
    def work(value: Any, places: Any = 0) -> Any:
        if is_null(value) or is_null(places):
            return None
        _demand(name, value)
        number = as_whole_number(places)
        if number is None or not -20 <= number <= 100:
            raise CommandError(
                51083, f"cannot apply {name} with precision value {places!r}: it is -20 to 100"
            )
        unit = Decimal(1).scaleb(-number)
        if isinstance(value, float):
            return value if abs(value) >= _ALL_WHOLE or value != value else _rounded(value, unit, mode)
        rounded = as_decimal(value).quantize(unit, mode)
        if isinstance(value, Decimal128):
            return Decimal128(rounded)
        return combine(lambda one, _: one, int(rounded), Int64(0) if isinstance(value, Int64) else 0)


_to_places("$round", ROUND_HALF_EVEN)
_to_places("$trunc", ROUND_DOWN)


def average(values: list[Any]) -> Any:
    """Give the mean of those of the values that are numbers; null when none is."""
    numbers = [value for value in values if is_number(value)]
    if not numbers:
        return None
    everything = total(numbers)
    if isinstance(everything, Decimal128):
        return combine(lambda one, other: one / other, everything, len(numbers))
    return float(everything) / len(numbers)


def least(values: list[Any]) -> Any:
    """Give the least of those of the values that are neither null nor missing; null when none is."""
    return min((value for value in values if not is_null(value)), key=sort_key, default=None)


def greatest(values: list[Any]) -> Any:
    """Give the greatest of those of the values that are neither null nor missing; null when none is."""
    return max((value for value in values if not is_null(value)), key=sort_key, default=None)


def _over_values(name: str, work: Callable[[list[Any]], Any]) -> None:
    @on_values(name, least=1, most=0)
    def over(*values: Any) -> Any:
        return work(list(values[0]) if len(values) == 1 and isinstance(values[0], list) else list(values))


for _name, _function in (("$sum", total), ("$avg", average), ("$min", least), ("$max", greatest)):
    _over_values(_name, _function)


def _real(value: Any) -> Any:
    return float(value) if is_number(value) else value


def _demand(name: str, value: Any) -> None:
    if not is_number(value):
        raise CommandError(28765, f"{name} only supports numeric types, not {type_alias(value)}")
