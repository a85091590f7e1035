"""Types asked for and converted.

Section:
    13.8, "Mixed types"
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bson import Decimal128, Int64, ObjectId
from bson.errors import InvalidId

from lab_support.documents.embedded.arithmetic import as_decimal
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import (
    Evaluate,
    compile_in_scope,
    is_null,
    is_true,
    on_values,
    operator,
)
from lab_support.documents.embedded.kinds import TYPE_NUMBERS, is_number, type_alias
from lab_support.documents.embedded.value_tests import as_whole_number

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (BSON's dates come without a zone)
_CONVERSION_FAILURE = 241


@on_values("$type")
def _type(value: Any) -> str:
    return type_alias(value)


@on_values("$isNumber")
def _is_number(value: Any) -> bool:
    return is_number(value)


def _to_string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, str | int | Decimal128 | ObjectId):
        return str(value)
    raise ValueError("no text")


def _to_double(value: Any) -> float:
    if isinstance(value, datetime):
        return (value - _EPOCH) / timedelta(milliseconds=1)
    return float(as_decimal(value)) if isinstance(value, Decimal128) else float(_number_or_text(value))


def _to_decimal(value: Any) -> Decimal128:
    if is_number(value):
        return Decimal128(as_decimal(value))
    return Decimal128(Decimal(_number_or_text(value)))


def _to_whole(kind: Callable[[int], int], bits: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, datetime) and bits == 64:
            value = round((value - _EPOCH) / timedelta(milliseconds=1))
        text = _number_or_text(value)
        number = (
            int(text) if isinstance(text, str) else math.trunc(as_decimal(text) if is_number(text) else text)
        )
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise ValueError("out of range")
        return kind(number)

    return convert


def _to_date(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, ObjectId):
        return value.generation_time.replace(tzinfo=None)
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    if is_number(value) and not (isinstance(value, int) and not isinstance(value, Int64)):
        return _EPOCH + timedelta(milliseconds=int(as_decimal(value)))
    raise ValueError("no date")


def _to_object_id(value: Any) -> ObjectId:
    if not isinstance(value, str | ObjectId):
        raise ValueError("no identity")
    return ObjectId(value)


def _number_or_text(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if is_number(value):
        return value
    if isinstance(value, str) and value == value.strip() and "_" not in value:
        return value
    raise ValueError("no number")


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "string": _to_string,
    "int": _to_whole(int, 32),
    "long": _to_whole(Int64, 64),
    "double": _to_double,
    "decimal": _to_decimal,
    "bool": lambda value: value if isinstance(value, bool) else is_true(value),
    "date": _to_date,
    "objectId": _to_object_id,
}


def _convert(value: Any, kind: str) -> Any:
    try:
        return _CONVERTERS[kind](value)
    except (ValueError, TypeError, OverflowError, InvalidOperation, InvalidId) as error:
        raise CommandError(
            _CONVERSION_FAILURE,
            f"Unsupported conversion from {type_alias(value)} to {kind} in $convert with no onError value: {value!r}",
        ) from error


def _shorthand(name: str, kind: str) -> None:
    @on_values(name)
    def over(value: Any) -> Any:
        return None if is_null(value) else _convert(value, kind)


for _kind in _CONVERTERS:
    _shorthand(f"$to{_kind[0].upper()}{_kind[1:]}", _kind)


@operator("$convert")
def _explicit(argument: Any) -> Evaluate:
    if not isinstance(argument, dict) or not {"input", "to"} <= argument.keys() <= {
        "input",
        "to",
        "onError",
        "onNull",
    }:
        raise CommandError(9, "$convert takes 'input', 'to' and perhaps 'onError' and 'onNull'")
    parts = {name: compile_in_scope(one) for name, one in argument.items()}

    def evaluate(scope: Any) -> Any:
        value, kind = parts["input"](scope), parts["to"](scope)
        if is_null(value):
            return parts["onNull"](scope) if "onNull" in parts else None
        kind = TYPE_NUMBERS.get(as_whole_number(kind) or 0) if is_number(kind) else kind
        if type(kind) is not str or kind not in _CONVERTERS:
            raise CommandError(2, f"Unknown type name: {kind!r}")
        try:
            return _convert(value, kind)
        except CommandError:
            if "onError" not in parts:
                raise
            return parts["onError"](scope)

    return evaluate
