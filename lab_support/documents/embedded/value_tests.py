"""Tests of one value: equality, order, types, patterns, remainders; each made from an operator's argument."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, MaxKey, MinKey, Regex

from lab_support.documents.embedded.conditions import Test
from lab_support.documents.embedded.errors import BAD_VALUE, FAILED_TO_PARSE, TYPE_MISMATCH, CommandError
from lab_support.documents.embedded.kinds import NUMBER_TYPES, TYPE_NUMBERS, is_number, type_alias
from lab_support.documents.embedded.ordering import MISSING, Key, sort_key
from lab_support.documents.embedded.regexes import bounded_pattern

_NAN: Final = sort_key(math.nan)
_KNOWN_ALIASES: Final = frozenset(TYPE_NUMBERS.values())


def is_pattern(value: Any) -> bool:
    """Whether the value is a BSON regular expression."""
    return isinstance(value, Regex | re.Pattern)


def equals(operand: Any) -> Test:
    """Equal in MongoDB's sense; null also equals a missing field."""
    wanted = sort_key(operand)
    return lambda value: sort_key(value) == wanted


def one_of(operand: Any) -> Test:
    """Equal to a member, or matched by a regular expression among them.

    Raises:
        CommandError: No array, or an operator inside it (2).
    """
    if not isinstance(operand, list):
        raise CommandError(BAD_VALUE, "$in needs an array")
    for member in operand:
        if isinstance(member, dict) and next(iter(member), "").startswith("$"):
            raise CommandError(BAD_VALUE, "cannot nest $ under $in")
    patterns = [pattern_test(member) for member in operand if is_pattern(member)]
    wanted = {sort_key(member) for member in operand}
    return lambda value: sort_key(value) in wanted or any(test(value) for test in patterns)


def pattern_test(pattern: Any, options: str | None = None) -> Test:
    """A string in which the pattern occurs, or a stored regular expression equal to it.

    Raises:
        CommandError: The pattern or its options are not understood, or a search takes too long.
    """
    bounded = bounded_pattern(pattern, options)
    own = sort_key(pattern) if is_pattern(pattern) else None
    return lambda value: bounded.found_in(value) if type(value) is str else sort_key(value) == own


def ordered(holds: Callable[[Key, Key], bool], includes_equal: bool) -> Callable[[Any], Test]:
    """Make `$gt` and its kin: only values of the operand's kind are compared, NaN only with itself."""

    def make(operand: Any) -> Test:
        if is_pattern(operand):
            raise CommandError(BAD_VALUE, "Can't have RegEx as arg to predicate over field.")
        bound = sort_key(operand)
        if isinstance(operand, MinKey | MaxKey):
            return lambda value: holds(sort_key(value), bound)

        def test(value: Any) -> bool:
            key = sort_key(value)
            if key[0] != bound[0]:
                return False
            if _NAN in (key, bound):
                return includes_equal and key == bound
            return holds(key, bound)

        return test

    return make


def of_type(operand: Any) -> Test:
    """A value of one of the named BSON types; `number` stands for all four kinds of number.

    Raises:
        CommandError: A type that BSON has not (2, 9, 14).
    """
    wanted = type_names(operand)
    return lambda value: type_alias(value) in wanted


def type_names(operand: Any) -> frozenset[str]:
    """The aliases that the argument of `$type` names.

    Raises:
        CommandError: A type that BSON has not (2, 9, 14).
    """
    members = operand if isinstance(operand, list) else [operand]
    if not members:
        raise CommandError(FAILED_TO_PARSE, "$type must match at least one type")
    return frozenset().union(*map(_names_of, members))


def _names_of(member: Any) -> frozenset[str]:
    if isinstance(member, str):
        if member == "number":
            return NUMBER_TYPES
        if member not in _KNOWN_ALIASES:
            raise CommandError(BAD_VALUE, f"Unknown type name alias: {member}")
        return frozenset({member})
    if not is_number(member):
        raise CommandError(TYPE_MISMATCH, "type must be represented as a number or a string")
    number = as_whole_number(member)
    alias = None if number is None else TYPE_NUMBERS.get(number)
    if alias is None:
        raise CommandError(BAD_VALUE, f"Invalid numerical type code: {member}")
    return frozenset({alias})


def of_size(operand: Any) -> Test:
    """An array with so many elements.

    Raises:
        CommandError: No whole number from 0 on (9).
    """
    size = as_whole_number(operand)
    if size is None or size < 0:
        raise CommandError(
            FAILED_TO_PARSE, f"Failed to parse $size. Expected a whole number from 0 on, not {operand!r}"
        )
    return lambda value: isinstance(value, list) and len(value) == size


def remainder(operand: Any) -> Test:
    """A number with this remainder, whose sign is that of the number.

    Raises:
        CommandError: Not [divisor, remainder], or a divisor of 0 (2).
    """
    numbers = [as_whole_number(part, truncate=True) for part in operand] if isinstance(operand, list) else []
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        raise CommandError(BAD_VALUE, "malformed mod, needs to be an array with two numbers")
    divisor, rest = numbers[0], numbers[1]
    if divisor == 0:
        raise CommandError(BAD_VALUE, "divisor cannot be 0")

    def test(value: Any) -> bool:
        number = as_whole_number(value, truncate=True)
        return number is not None and number - divisor * int(number / divisor) == rest

    return test


def as_whole_number(value: Any, *, truncate: bool = False) -> int | None:
    """The whole number a BSON number stands for; None for other values and, unless truncated, for fractions."""
    if not is_number(value):
        return None
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
        return None
    whole = int(number)
    return whole if truncate or whole == number else None


def is_present(value: Any) -> bool:
    """Whether there is a value at all; null is one."""
    return value is not MISSING
