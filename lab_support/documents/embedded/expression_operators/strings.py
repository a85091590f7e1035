"""Operators of strings and dates.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import is_null, on_values
from lab_support.documents.embedded.kinds import type_alias


@on_values("$concat", least=0, most=0)
def _concat(*values: Any) -> Any:
    if any(map(is_null, values)):
        return None
    return "".join(_text("$concat", value) for value in values)


def _on_text(name: str, work: Callable[[str], Any], of_null: Any) -> None:
    @on_values(name)
    def over(value: Any) -> Any:
        return of_null if is_null(value) else work(_text(name, value))


_on_text("$toUpper", str.upper, "")
_on_text("$toLower", str.lower, "")


@on_values("$strLenCP")
def _length(value: Any) -> int:
    return len(_text("$strLenCP", value))


@on_values("$substrCP", least=3)
def _substring(value: Any, start: Any, length: Any) -> str:
    return "" if is_null(value) else _text("$substrCP", value)[int(start) : int(start) + int(length)]


@on_values("$split", least=2)
def _split(value: Any, separator: Any) -> Any:
    if is_null(value) or is_null(separator):
        return None
    if not separator:
        raise CommandError(40087, "$split requires a non-empty separator")
    return list(_text("$split", value).split(_text("$split", separator)))


@on_values("$strcasecmp", least=2)
def _compare(left: Any, right: Any) -> int:
    one, other = (("" if is_null(value) else _text("$strcasecmp", value)).upper() for value in (left, right))
    return (one > other) - (one < other)


def _part_of_date(name: str, part: Callable[[datetime], int]) -> None:
    @on_values(name)
    def over(value: Any) -> Any:
        if is_null(value):
            return None
        if not isinstance(value, datetime):
            raise CommandError(16006, f"can't convert from BSON type {type_alias(value)} to Date")
        return part(value)


_part_of_date("$year", lambda moment: moment.year)
_part_of_date("$month", lambda moment: moment.month)
_part_of_date("$dayOfMonth", lambda moment: moment.day)
_part_of_date("$hour", lambda moment: moment.hour)
_part_of_date("$minute", lambda moment: moment.minute)
_part_of_date("$second", lambda moment: moment.second)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise CommandError(16702, f"{name} only supports strings, not {type_alias(value)}")
    return value
