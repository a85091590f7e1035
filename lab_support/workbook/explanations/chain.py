"""Find the known error inside its wrappers: `orig`, `__cause__`, `__context__` and exception groups."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from lab_support.workbook.explanations.known import KNOWN_ERRORS

OWN_SLIPS = (AssertionError, NameError, AttributeError, TypeError, LookupError, ImportError)
"""Errors that stand for themselves, even when they happen while another error is being handled."""


Path = tuple[BaseException, ...]


@dataclass(frozen=True)
class Explanation:
    """Two plain lines about one error.

    Attributes:
        key: The known error's short name, such as `missing-greenlet`.
        happened: What happened, one line.
        remedy: What to do, one line.
        path: From the exception that was raised down to the one that was recognised.
    """

    key: str
    happened: str
    remedy: str
    path: Path

    @property
    def error(self) -> BaseException:
        """The exception that was recognised; often wrapped in the one that was raised."""
        return self.path[-1]

    @property
    def lines(self) -> tuple[str, str]:
        """The two lines, in reading order."""
        return self.happened, self.remedy

    def __str__(self) -> str:
        return "\n".join(self.lines)


def explain_error(exc: BaseException) -> Explanation | None:
    """Return the explanation of `exc`, or of the first known error that it wraps; None when none is known."""
    for path in error_paths(exc):
        for known in KNOWN_ERRORS:
            words = known.words(path[-1])
            if words is not None:
                return Explanation(
                    known.key, known.happened.format_map(words), known.remedy.format_map(words), path
                )
    return None


def error_paths(exc: BaseException) -> Iterator[Path]:
    """Yield the way to `exc` and to everything under it, outermost first, each once even in a cycle."""
    waiting: deque[Path] = deque([(exc,)])
    seen: set[int] = set()
    while waiting:
        path = waiting.popleft()
        if id(path[-1]) in seen:
            continue
        seen.add(id(path[-1]))
        yield path
        waiting.extend((*path, error) for error in _below(path[-1]))


def _below(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
    orig = getattr(error, "orig", None)
    if isinstance(orig, BaseException):
        yield orig
    if error.__cause__ is not None:
        yield error.__cause__
    if error.__context__ is not None and not error.__suppress_context__ and not _stands_for_itself(error):
        yield error.__context__


def _stands_for_itself(error: BaseException) -> bool:
    """Tell whether the reader's own error merely happened while another one was being handled."""
    return isinstance(error, OWN_SLIPS) or type(error).__module__ == "__main__"
