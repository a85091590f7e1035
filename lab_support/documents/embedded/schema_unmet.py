"""A rule of a schema that a value does not meet, as MongoDB explains it in `errInfo`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import ValidationError  # type: ignore[import-untyped]


class UnmetError(ValidationError):  # type: ignore[misc]
    """A rule that a value does not meet.

    Attributes:
        detail: What `errInfo` tells about it.
    """

    def __init__(self, detail: dict[str, Any]) -> None:
        super().__init__(str(detail.get("reason", detail["operatorName"])))
        self.detail = detail


Rule = Callable[[Any, Any, Any, Mapping[str, Any]], Iterator[UnmetError]]
"""From validator, argument, value and schema to what is not met."""


def failure(operator: str, specified: Mapping[str, Any] | None, reason: str, **found: Any) -> UnmetError:
    """Make the usual kind of detail: the rule, its reason, and what was found."""
    told = {} if specified is None else {"specifiedAs": dict(specified)}
    return UnmetError({"operatorName": operator, **told, "reason": reason, **found})


def details_of(validator: Any, value: Any, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that a value does not meet of a nested schema; an empty list when it meets everything."""
    return [unmet.detail for unmet in validator.descend(value, schema)]
