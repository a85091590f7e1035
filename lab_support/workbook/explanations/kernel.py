"""Show explanations in a notebook: the two lines, the reader's own frames, and nothing of the libraries."""

from __future__ import annotations

import sys
import traceback
import warnings
from types import TracebackType
from typing import Any, TextIO

from lab_support.student_frames import StudentFrame, student_frames
from lab_support.workbook.explanations.chain import Explanation, explain_error
from lab_support.workbook.explanations.matching import own_message, reason_of

MOST_FRAMES = 4


def install_explanations(ipython: Any) -> None:
    """Explain well-known errors and warnings in this kernel; calling it again changes nothing.

    Errors with their own card (`_render_traceback_`) keep it, and unknown ones keep IPython's traceback.
    """
    ipython.set_custom_exc((Exception,), _show_error)
    if getattr(warnings.showwarning, "explains", False) is False:
        warnings.showwarning = _ExplainingWarnings(warnings.showwarning)


def explain(error: BaseException | None = None) -> None:
    """Print the explanation of `error`, or of the last error shown, or say that none is known."""
    error = error or getattr(sys, "last_value", None)
    if error is None:
        print("There is no error to explain.")  # noqa: T201
        return
    explanation = explain_error(error)
    if explanation is None:
        print(f"{type(error).__name__} is not in the workbook's table: read the traceback's last line first.")  # noqa: T201
        return
    print(explanation)  # noqa: T201


def explanation_lines(explanation: Explanation) -> list[str]:
    """Return the text shown in place of the traceback, one line an item."""
    frames = dict.fromkeys(frame for one in explanation.path for frame in student_frames(one.__traceback__))
    known = explanation.error
    return [
        f"What happened: {explanation.happened}",
        f"What to do:    {explanation.remedy}",
        *_frame_lines(list(frames)[-MOST_FRAMES:]),
        "",
        f"{type(known).__name__}: {reason_of(own_message(known))}",
        "(%tb shows the whole traceback)",
    ]


def _frame_lines(frames: list[StudentFrame]) -> list[str]:
    return [line for frame in frames for line in ("", *str(frame).splitlines())]


def _show_error(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    """Show `error` in the cell; called by IPython, which drops a handler that raises."""
    lines = _explained(error)
    if lines is None:
        _show_unexplained(shell, kind, error, trace, tb_offset)
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    shell._showtraceback(kind, error, lines)  # noqa: SLF001 - the one door through which a kernel sends an error


def _show_unexplained(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None,
) -> None:
    try:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)
    except Exception:  # an error whose own text raises; IPython would drop this handler for it
        name = f"{kind.__name__} (its text can't be read)"
        shell._showtraceback(kind, name, [*traceback.format_tb(trace), name])  # noqa: SLF001


def _explained(error: BaseException) -> list[str] | None:
    if hasattr(error, "_render_traceback_"):
        return None
    try:
        explanation = explain_error(error)
        return explanation_lines(explanation) if explanation else None
    except Exception:  # an explanation that fails must not hide the error
        return None


class _ExplainingWarnings:
    """Python's display of warnings, with two more lines under a known one."""

    explains = True

    def __init__(self, show: Any) -> None:
        self._show = show

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        self._show(message, category, filename, lineno, file, line)
        explanation = explain_error(message) if isinstance(message, Warning) else None
        if explanation is not None:
            target = file or sys.stderr
            target.write(f"What happened: {explanation.happened}\nWhat to do:    {explanation.remedy}\n")
