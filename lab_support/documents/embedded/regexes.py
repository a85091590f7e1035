"""Regular expressions with a time limit: a hostile pattern costs its query a fraction of a second, not the server.

The `re` module would hold every thread of the process until it is done. `regex` lets the others run and gives up.
"""

from __future__ import annotations

import re
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

import regex  # type: ignore[import-untyped]
from bson import Regex

from lab_support.documents.embedded.errors import CommandError

BAD_OPTIONS = 51108
BAD_PATTERN = 51091
TOO_EXPENSIVE = 51156
MAX_PATTERN_BYTES: Final = 32_764
MATCH_LIMIT_S: Final = 0.5
"""Seconds that one pattern may spend on all the strings of a query together."""

_OPTIONS: Final = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL, "x": regex.VERBOSE, "u": 0}
_FLAG_LETTERS: Final = ((re.IGNORECASE, "i"), (re.MULTILINE, "m"), (re.DOTALL, "s"), (re.VERBOSE, "x"))


class BoundedPattern:
    """A pattern that is searched for, with `MATCH_LIMIT_S` for all its searches; make a new one for each query."""

    def __init__(self, pattern: str, options: str = "") -> None:
        self.pattern = pattern
        self.options = options
        self._compiled = _compile(pattern, options)
        self._left_s = MATCH_LIMIT_S

    def found_in(self, text: str) -> bool:
        """Whether the pattern occurs in the text.

        Raises:
            CommandError: The search took too long (51156).
        """
        started = perf_counter()
        try:
            found = self._compiled.search(text, timeout=self._left_s, concurrent=True)
        except TimeoutError as error:
            sentence = f"Regular expression is too expensive: no answer within {MATCH_LIMIT_S} s."
            raise CommandError(TOO_EXPENSIVE, sentence) from error
        self._left_s = max(self._left_s - (perf_counter() - started), 1e-6)
        return found is not None


def bounded_pattern(value: str | Regex[Any] | re.Pattern[str], options: str | None = None) -> BoundedPattern:
    """The pattern of a `$regex` argument or of a BSON regular expression.

    Raises:
        CommandError: The pattern (51091) or an option (51108) is not understood.
    """
    if isinstance(value, str):
        return BoundedPattern(value, options or "")
    own = "".join(letter for flag, letter in _FLAG_LETTERS if value.flags & flag)
    return BoundedPattern(str(value.pattern), own if options is None else options)


@lru_cache(maxsize=256)
def _compile(pattern: str, options: str) -> Any:
    if len(pattern.encode()) > MAX_PATTERN_BYTES:
        raise CommandError(
            BAD_PATTERN, f"Regular expression is too long: {MAX_PATTERN_BYTES} bytes are the most."
        )
    unknown = set(options) - _OPTIONS.keys()
    if unknown:
        raise CommandError(BAD_OPTIONS, f"invalid flag in regex options: {min(unknown)}")
    flags = regex.VERSION0
    for letter in options:
        flags |= _OPTIONS[letter]
    try:
        # PCRE has \d, \w and \s mean ASCII, but upper and lower case mean Unicode's; here it is one or the other.
        return regex.compile(pattern, flags | (0 if "i" in options else regex.ASCII))
    except (regex.error, OverflowError, RecursionError) as error:
        raise CommandError(BAD_PATTERN, f"Regular expression is invalid: {error}") from error
