"""What went wrong in the student's own code, told without a frame of any library.

Section:
    All sections.
"""

from __future__ import annotations

import linecache
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from lab_support.exercises.verdict import StudentFrame

_LIBRARIES = tuple(
    {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {str(Path(__file__).resolve().parents[1])}
)


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from: `orig`, `__cause__`, `__context__` and group members, each once."""
    waiting, met = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in met:
            continue
        met.add(id(current))
        yield current
        members = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        linked = (getattr(current, "orig", None), current.__cause__, current.__context__, *members)
        waiting.extend(one for one in linked if isinstance(one, BaseException))


def student_frame(error: BaseException) -> StudentFrame | None:
    """Return the innermost frame of the student's own code in the error's traceback, or None."""
    for one in error_chain(error):
        frames = [
            frame for frame in _frames(one.__traceback__) if _is_students(frame.tb_frame.f_code.co_filename)
        ]
        if frames:
            return _describe(frames[-1])
    return None


def means_not_attempted(error: BaseException) -> bool:
    """Whether the error is a starter's own `raise NotImplementedError`, raised by the student's code itself."""
    for one in error_chain(error):
        if isinstance(one, NotImplementedError):
            frames = list(_frames(one.__traceback__))
            return bool(frames) and _is_students(frames[-1].tb_frame.f_code.co_filename)
    return False


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_students(filename: str) -> bool:
    return not filename.startswith((*_LIBRARIES, "<frozen", "<string>"))


def _describe(traceback: TracebackType) -> StudentFrame:
    code = traceback.tb_frame.f_code
    source = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
    return StudentFrame(where=code.co_name, line=traceback.tb_lineno, source=source)
