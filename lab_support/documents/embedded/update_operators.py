"""The update operators that change one field, `$set`, `$inc` and their kin: functions of the old value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bson import Timestamp

from lab_support.documents.embedded import arithmetic
from lab_support.documents.embedded.errors import BAD_VALUE, TYPE_MISMATCH, CommandError
from lab_support.documents.embedded.kinds import is_number, type_alias
from lab_support.documents.embedded.ordering import MISSING, sort_key
from lab_support.documents.embedded.places import copied


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value is changed, for the sentence of an error.

    Attributes:
        path: The dotted path.
        document_id: The `_id` of the document, `MISSING` while it has none.
    """

    path: str
    document_id: Any

    def __str__(self) -> str:
        return f"{{_id: {'none yet' if self.document_id is MISSING else repr(self.document_id)}}}"


Change = Callable[[Any, Spot], Any]
"""From the old value (`MISSING` for none) to the new one (`MISSING` to have none)."""


def set_to(argument: Any) -> Change:
    """`$set`: the argument, whatever was there."""
    return lambda _old, _spot: copied(argument)


def unset(_argument: Any) -> Change:
    """`$unset`: nothing."""
    return lambda _old, _spot: MISSING


def increase(argument: Any) -> Change:
    """`$inc`: the sum; a missing field counts as 0.

    Raises:
        CommandError: The argument is no number (14).
    """
    _demand_number(argument, "increment")
    return lambda old, spot: (
        argument if old is MISSING else _calculate(arithmetic.add, "$inc", (old, argument), spot)
    )


def scale(argument: Any) -> Change:
    """`$mul`: the product; a missing field becomes 0.

    Raises:
        CommandError: The argument is no number (14).
    """
    _demand_number(argument, "multiply")
    zero = arithmetic.multiply(argument, 0) if not isinstance(argument, float) else 0.0
    return lambda old, spot: (
        zero if old is MISSING else _calculate(arithmetic.multiply, "$mul", (old, argument), spot)
    )


def _demand_number(argument: Any, verb: str) -> None:
    if not is_number(argument):
        raise CommandError(TYPE_MISMATCH, f"Cannot {verb} with non-numeric argument: {argument!r}")


def _calculate(calculate: Callable[[Any, Any], Any], name: str, pair: tuple[Any, Any], spot: Spot) -> Any:
    old, argument = pair
    if not is_number(old):
        kind = type_alias(old)
        sentence = f"Cannot apply {name} to a value of non-numeric type. {spot} has the field '{spot.path}' "
        raise CommandError(TYPE_MISMATCH, f"{sentence}of non-numeric type {kind}")
    try:
        return calculate(old, argument)
    except OverflowError as error:
        sentence = f"Failed to apply {name} operations to current value ({old}) for document {spot}: {error}"
        raise CommandError(BAD_VALUE, sentence) from error


def lower(argument: Any) -> Change:
    """`$min`: the argument where it is less than the old value or there is none."""
    return lambda old, _spot: argument if old is MISSING or sort_key(argument) < sort_key(old) else old


def raise_to(argument: Any) -> Change:
    """`$max`: the argument where it is more than the old value or there is none."""
    return lambda old, _spot: argument if old is MISSING or sort_key(argument) > sort_key(old) else old


def current_date(argument: Any) -> Change:
    """`$currentDate`: now, as a date (true, `{$type: "date"}`) or a timestamp.

    Raises:
        CommandError: Another argument (2).
    """
    kind = (
        argument.get("$type")
        if isinstance(argument, Mapping)
        else "date"
        if isinstance(argument, bool)
        else None
    )
    if kind not in ("date", "timestamp"):
        sentence = (
            "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field: true}}"
        )
        raise CommandError(BAD_VALUE, sentence)
    if kind == "date":
        return lambda _old, _spot: _now()
    return lambda _old, _spot: Timestamp(_now(), 1)


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


FIELD_OPERATORS: Final[dict[str, Callable[[Any], Change]]] = {
    "$set": set_to,
    "$setOnInsert": set_to,
    "$unset": unset,
    "$inc": increase,
    "$mul": scale,
    "$min": lower,
    "$max": raise_to,
    "$currentDate": current_date,
}
