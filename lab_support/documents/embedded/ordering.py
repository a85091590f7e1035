"""BSON's order of values: which is less, which are equal, and which sort where in an array.

Section:
    13.8, "Mixed types"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

Key = tuple[Any, ...]

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "MISSING", "__bool__": lambda _: False})()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EMPTY: Any = type("Empty", (), {"__repr__": lambda _: "undefined"})()
"""What an empty array has in the place of an element: BSON's old `undefined`, which sorts before null."""


def sort_key(value: Any) -> Key:
    """Give a tuple that compares, and hashes, as BSON compares the values.

    Numbers of all types are one type: 1, 1.0, Int64(1) and Decimal128("1.0") have equal keys; True has another.
    A missing value compares as null.
    """
    maker = _MAKERS.get(type(value))
    if maker is None:
        maker = next((made for kind, made in _MAKERS.items() if isinstance(value, kind)), None)
    if maker is None:
        raise TypeError(f"BSON has no place for {type(value).__name__}")
    return maker(value)


def type_rank(value: Any) -> int:
    """Give the place of a value's type in BSON's order; values of one rank can be compared by `$gt` and its kin."""
    rank: int = sort_key(value)[0]
    return rank


def values_equal(left: Any, right: Any) -> bool:
    """Say whether BSON holds two values for equal; the order of an embedded document's keys counts."""
    return sort_key(left) == sort_key(right)


def document_sorter(spec: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Give the key function that sorts documents by a `sort` document such as `{"price": 1, "_id": -1}`.

    An array sorts by its least element where the direction is 1 and by its greatest where it is -1.
    """
    paths = [(path.split("."), 1 if direction > 0 else -1) for path, direction in spec.items()]

    def keys(document: Mapping[str, Any]) -> list[Key]:
        return [_extreme(_reach(document, path) or [MISSING], direction) for path, direction in paths]

    def compare(left: list[Key], right: list[Key]) -> int:
        for one, other, (_, direction) in zip(left, right, paths, strict=True):
            if one != other:
                return direction if one > other else -direction
        return 0

    if all(direction > 0 for _, direction in paths):
        return keys
    compared = cmp_to_key(compare)
    return lambda document: compared(keys(document))


def _reach(value: Any, path: Sequence[str]) -> list[Any]:
    if not path:
        return [value]
    first, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return _reach(value[first], rest) if first in value else []
    if isinstance(value, list):
        found = [one for item in value if isinstance(item, Mapping) for one in _reach(item, path)]
        if first.isdigit() and int(first) < len(value):
            found += _reach(value[int(first)], rest)
        return found
    return []


def _extreme(values: list[Any], direction: int) -> Key:
    keys: list[Key] = []
    for value in values:
        if isinstance(value, list):
            keys.extend(sort_key(item) for item in value or [EMPTY])
        else:
            keys.append(sort_key(value))
    return min(keys) if direction > 0 else max(keys)


def _number(value: Any) -> Key:
    return (10, 0) if value != value else (10, 1, value)


def _decimal(value: Decimal128) -> Key:
    number = value.to_decimal()
    return (10, 0) if number.is_nan() else (10, 1, number)  # a signalling NaN cannot even be compared


def _mapping(value: Mapping[str, Any]) -> Key:
    keys = [(name, sort_key(item)) for name, item in value.items()]
    return (20, tuple((key[0], name, key) for name, key in keys))


def _instant(value: datetime) -> Key:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    gap = aware - _EPOCH
    return (45, (gap.days * 86_400 + gap.seconds) * 1000 + gap.microseconds // 1000)


def _code(value: Code) -> Key:
    return (60, str(value)) if value.scope is None else (65, str(value), _mapping(value.scope))


def _binary(value: Binary) -> Key:
    return (30, len(value), value.subtype, bytes(value))


def _constant(*key: int) -> Callable[[Any], Key]:
    return lambda _: key


_MAKERS: dict[type, Callable[[Any], Key]] = {
    str: lambda value: (15, value),
    bool: lambda value: (40, value),
    int: lambda value: (10, 1, value),
    float: _number,
    Int64: lambda value: (10, 1, int(value)),
    Decimal128: _decimal,
    Decimal: _number,
    dict: _mapping,
    list: lambda value: (25, tuple(map(sort_key, value))),
    ObjectId: lambda value: (35, value.binary),
    datetime: _instant,
    type(None): _constant(5),
    type(MISSING): _constant(5),
    type(EMPTY): _constant(3),
    Code: _code,
    Binary: _binary,
    bytes: lambda value: (30, len(value), 0, value),
    DatetimeMS: lambda value: (45, int(value)),
    Timestamp: lambda value: (47, value.time, value.inc),
    Regex: lambda value: (50, value.pattern, value.flags),
    DBRef: lambda value: _mapping(value.as_doc()),
    MinKey: _constant(-1),
    MaxKey: _constant(127),
    Mapping: _mapping,
}
