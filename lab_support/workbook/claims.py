"""A lesson's sentence and the fact that proves it, in one line.

Section:
    All lessons.
"""

from __future__ import annotations

import pprint
import textwrap

LONGEST_LINE = 120
LONGEST_CARD = 1_000


class ClaimFailedError(AssertionError):
    """What a lesson says did not hold on this machine; shows a short card.

    Attributes:
        claim: The sentence.
        expected: What the lesson says.
        observed: What was seen.
    """

    def __init__(self, claim: str, expected: object, observed: object) -> None:
        self.claim = claim
        self.expected = expected
        self.observed = observed
        super().__init__("\n".join(self._render_traceback_()))

    def _render_traceback_(self) -> list[str]:
        return [
            f"✗ {self.claim}",
            *_labelled("expected", self.expected),
            *_labelled("observed", self.observed),
            "  What to do: run the notebook from its first cell (Kernel > Restart Kernel and Run All Cells).",
            "  If it still fails, the lesson is wrong here: report this card with the line start() printed.",
        ]


def claim(text: str, *, expected: object, observed: object) -> None:
    """Print `✓ text: observed` when what was observed equals what the lesson expects.

    Raises:
        ClaimFailedError: They differ; an AssertionError that carries both.
    """
    if observed != expected:
        raise ClaimFailedError(text, expected, observed)
    print(f"✓ {text}: {_short(repr(observed), LONGEST_LINE)}")  # noqa: T201


def _labelled(label: str, value: object) -> list[str]:
    shown = _short(pprint.pformat(value, width=88, sort_dicts=False), LONGEST_CARD)
    first, *rest = shown.splitlines() or [""]
    return [f"  {label}: {first}", *textwrap.indent("\n".join(rest), " " * 12).splitlines()]


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
