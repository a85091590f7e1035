"""The BSON types of Python values, and their names.

Section:
    13.8, "Mixed types"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from lab_support.documents.embedded.ordering import MISSING

_INT32_LIMIT = 2**31


def is_number(value: Any) -> bool:
    """Whether the value is an int, a long, a double or a decimal; a boolean is none of them."""
    return isinstance(value, int | float | Decimal128) and not isinstance(value, bool)


def is_int32(value: Any) -> bool:
    """Whether the value travels as a 32-bit integer."""
    return (
        isinstance(value, int)
        and not isinstance(value, bool | Int64)
        and -_INT32_LIMIT <= value < _INT32_LIMIT
    )


_ALIASES: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "bool"),
    (Int64, "long"),
    (float, "double"),
    (Decimal128, "decimal"),
    (str, "string"),
    (Mapping, "object"),
    ((list, tuple), "array"),
    (ObjectId, "objectId"),
    ((datetime, DatetimeMS), "date"),
    ((bytes, UUID), "binData"),
    (DBRef, "object"),
    ((Regex, re.Pattern), "regex"),
    (Timestamp, "timestamp"),
    (MinKey, "minKey"),
    (MaxKey, "maxKey"),
)

TYPE_NUMBERS: Final[dict[int, str]] = {
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    5: "binData",
    6: "undefined",
    7: "objectId",
    8: "bool",
    9: "date",
    10: "null",
    11: "regex",
    12: "dbPointer",
    13: "javascript",
    14: "symbol",
    15: "javascriptWithScope",
    16: "int",
    17: "timestamp",
    18: "long",
    19: "decimal",
    -1: "minKey",
    127: "maxKey",
}
NUMBER_TYPES: Final = frozenset({"int", "long", "double", "decimal"})


def type_alias(value: Any) -> str:
    """MongoDB's name for the type of a value: `int`, `long`, `double`, `decimal`, …; `missing` for none."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, Code):
        return "javascript" if value.scope is None else "javascriptWithScope"
    for kinds, alias in _ALIASES:
        if isinstance(value, kinds):
            return alias
    return "int" if is_int32(value) else "long"
