"""What went wrong in the student's own code, told without a frame of any library.

Section:
    All sections.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from fastapi.exceptions import ValidationException as FastAPIValidationError
from pydantic import ValidationError

from lab_support.student_frames import StudentFrame, is_own, student_frames


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
        frames = student_frames(one.__traceback__)
        if frames:
            return frames[-1]
    return None


def means_not_attempted(error: BaseException) -> bool:
    """Whether the error is a starter's own `raise NotImplementedError`, raised by the student's code itself."""
    for one in error_chain(error):
        if isinstance(one, NotImplementedError):
            frames = [frame for frame, _ in traceback.walk_tb(one.__traceback__)]
            return bool(frames) and is_own(frames[-1].f_code.co_filename)
    return False


def one_line(error: BaseException) -> str:
    """Say an error in one line: its type, and its text without SQL, parameters or pydantic's inputs."""
    said = _refused(error) or str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {said}"[:400] if said else type(error).__name__


def _refused(error: BaseException) -> str:
    """Say the first thing that pydantic or FastAPI found wrong; empty for every other error."""
    if not isinstance(error, ValidationError | FastAPIValidationError) or not error.errors():
        return ""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".replace("\n", " ")
