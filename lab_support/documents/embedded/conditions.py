"""What a filter demands of one path: conditions that hold for some value there, for none, or all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab_support.documents.embedded.paths import leaves_at, values_at

Test = Callable[[Any], bool]


class Condition(Protocol):
    """A demand on the values that a path finds."""

    def holds(self, document: Mapping[str, Any], path: Sequence[str]) -> bool:
        """Whether the values at `path` meet it."""
        ...

    def accepts(self, value: Any) -> bool:
        """Whether one value, an array's element, meets it by itself."""
        ...


@dataclass(frozen=True, slots=True)
class SomeValue:
    """Holds if one of the values passes the test.

    Attributes:
        test: Asked with `ordering.MISSING` where the field is missing.
        looks_into_arrays: Whether the elements of an array count as values too.
    """

    test: Test
    looks_into_arrays: bool = True

    def holds(self, document: Mapping[str, Any], path: Sequence[str]) -> bool:
        """Whether some value at `path` passes."""
        found = leaves_at(document, path) if self.looks_into_arrays else values_at(document, path)
        return any(map(self.test, found))

    def accepts(self, value: Any) -> bool:
        """Whether this value passes."""
        return self.test(value)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds if each part does, perhaps by different values."""

    parts: Sequence[Condition]

    def holds(self, document: Mapping[str, Any], path: Sequence[str]) -> bool:
        """Whether each part holds at `path`."""
        return all(part.holds(document, path) for part in self.parts)

    def accepts(self, value: Any) -> bool:
        """Whether each part accepts the value."""
        return all(part.accepts(value) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if the other does not; so it holds where the field is missing, too."""

    other: Condition

    def holds(self, document: Mapping[str, Any], path: Sequence[str]) -> bool:
        """Whether the other does not hold at `path`."""
        return not self.other.holds(document, path)

    def accepts(self, value: Any) -> bool:
        """Whether the other does not accept the value."""
        return not self.other.accepts(value)


NOTHING = SomeValue(lambda _: False)
