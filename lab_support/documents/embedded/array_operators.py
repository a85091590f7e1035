"""The update operators that change an array: `$push`, `$addToSet`, `$pull`, `$pullAll`, `$pop`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_support.documents.embedded.errors import BAD_VALUE, FAILED_TO_PARSE, TYPE_MISMATCH, CommandError
from lab_support.documents.embedded.kinds import type_alias
from lab_support.documents.embedded.matching import element_test
from lab_support.documents.embedded.ordering import MISSING, document_sorter, sort_key
from lab_support.documents.embedded.places import copied
from lab_support.documents.embedded.update_operators import Change, Spot
from lab_support.documents.embedded.value_tests import as_whole_number

_CLAUSES: Final = frozenset({"$each", "$position", "$slice", "$sort"})


def push(argument: Any) -> Change:
    """`$push`: one value, or those of `$each`, at `$position`, sorted by `$sort`, cut to `$slice`.

    Raises:
        CommandError: A clause that is not known or has a wrong argument (2).
    """
    clauses = argument if isinstance(argument, Mapping) and "$each" in argument else {"$each": [argument]}
    unknown = clauses.keys() - _CLAUSES
    if unknown:
        raise CommandError(BAD_VALUE, f"Unrecognized clause in $push: {min(unknown)}")
    added = _each(clauses, "$push")
    position = _whole(clauses, "$position")
    end = _whole(clauses, "$slice")
    arrange = _arrangement(clauses.get("$sort"))

    def change(old: Any, spot: Spot) -> Any:
        array = _array(old, spot)
        where = len(array) if position is None else position
        return _cut(arrange([*array[:where], *copied(added), *array[where:]]), end)

    return change


def _each(clauses: Mapping[str, Any], name: str) -> list[Any]:
    added = clauses["$each"]
    if not isinstance(added, list):
        raise CommandError(
            BAD_VALUE, f"The argument to $each in {name} must be an array, not {type_alias(added)}"
        )
    return added


def _whole(clauses: Mapping[str, Any], name: str) -> int | None:
    if name not in clauses:
        return None
    number = as_whole_number(clauses[name])
    if number is None:
        raise CommandError(BAD_VALUE, f"The value for {name} must be a whole number, not {clauses[name]!r}")
    return number


def _cut(array: list[Any], end: int | None) -> list[Any]:
    if end is None:
        return array
    return array[:end] if end >= 0 else array[end:]


def _arrangement(order: Any) -> Callable[[list[Any]], list[Any]]:
    if order is None:
        return lambda array: array
    if isinstance(order, Mapping) and order:
        by_fields = document_sorter(order)
        return lambda array: sorted(
            array, key=lambda item: by_fields(item if isinstance(item, Mapping) else {})
        )
    if as_whole_number(order) not in (1, -1):
        raise CommandError(
            BAD_VALUE, "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1}"
        )
    return lambda array: sorted(array, key=sort_key, reverse=order < 0)


def add_to_set(argument: Any) -> Change:
    """`$addToSet`: what the array has not yet, each value once.

    Raises:
        CommandError: `$each` is no array (14), or has a neighbour (2).
    """
    many = isinstance(argument, Mapping) and next(iter(argument), "") == "$each"
    if many and len(argument) > 1:
        raise CommandError(BAD_VALUE, "Found unexpected fields after $each in $addToSet")
    added = _each(argument, "$addToSet") if many else [argument]

    def change(old: Any, spot: Spot) -> Any:
        if old is not MISSING and not isinstance(old, list):
            kind = type_alias(old)
            sentence = f"Cannot apply $addToSet to non-array field. Field named '{spot.path}' has non-array type {kind}"
            raise CommandError(BAD_VALUE, sentence)
        array = [] if old is MISSING else list(old)
        known = {sort_key(value) for value in array}
        for value in added:
            if sort_key(value) not in known:
                known.add(sort_key(value))
                array.append(copied(value))
        return array

    return change


def pull(argument: Any) -> Change:
    """`$pull`: without the elements that equal the argument, or meet it if it is a condition.

    Raises:
        CommandError: The condition is refused (2, 238).
    """
    unwanted = element_test(argument)
    return _without(unwanted, "$pull")


def pull_all(argument: Any) -> Change:
    """`$pullAll`: without the elements that equal one of these.

    Raises:
        CommandError: The argument is no array (2).
    """
    if not isinstance(argument, list):
        raise CommandError(
            BAD_VALUE, f"$pullAll requires an array argument but was given a {type_alias(argument)}"
        )
    unwanted = {sort_key(value) for value in argument}
    return _without(lambda value: sort_key(value) in unwanted, "$pullAll")


def _without(unwanted: Callable[[Any], bool], name: str) -> Change:
    def change(old: Any, _spot: Spot) -> Any:
        if old is MISSING:
            return MISSING
        if not isinstance(old, list):
            raise CommandError(BAD_VALUE, f"Cannot apply {name} to a non-array value")
        return [value for value in old if not unwanted(value)]

    return change


def pop(argument: Any) -> Change:
    """`$pop`: without the last (1) or the first (-1) element.

    Raises:
        CommandError: Neither 1 nor -1 (9).
    """
    if as_whole_number(argument) not in (1, -1):
        raise CommandError(FAILED_TO_PARSE, f"$pop expects 1 or -1, found: {argument!r}")
    first = argument < 0

    def change(old: Any, spot: Spot) -> Any:
        if old is MISSING:
            return MISSING
        if not isinstance(old, list):
            sentence = f"Path '{spot.path}' contains an element of non-array type '{type_alias(old)}'"
            raise CommandError(TYPE_MISMATCH, sentence)
        return old[1:] if first else old[:-1]

    return change


def _array(old: Any, spot: Spot) -> list[Any]:
    if old is MISSING:
        return []
    if not isinstance(old, list):
        sentence = (
            f"The field '{spot.path}' must be an array but is of type {type_alias(old)} in document {spot}"
        )
        raise CommandError(BAD_VALUE, sentence)
    return old


ARRAY_OPERATORS: Final[dict[str, Callable[[Any], Change]]] = {
    "$push": push,
    "$addToSet": add_to_set,
    "$pull": pull,
    "$pullAll": pull_all,
    "$pop": pop,
}
