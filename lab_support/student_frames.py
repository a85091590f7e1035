"""The reader's own lines in a traceback: not Python's, a library's or the workbook's.

Section:
    All sections; used by the explanations of errors and by the judge's cards.
"""

from __future__ import annotations

import linecache
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType

from lab_support import __file__ as _package_file

OWN_NAMES = ("<ipython-input", "<dynamic-code>")  # the second is cloudpickle's, in a fresh process
LIBRARY_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class StudentFrame:
    """One line of the reader's own code that was running when the error came.

    Attributes:
        place: Where it stands, such as `Cell In[5]` or a file's name.
        line: Line number within the cell or file, from 1.
        function: Name of the function, or an empty string at the top level.
        source: The line's text without indentation; empty when it is not known.
    """

    place: str
    line: int
    function: str
    source: str

    def __str__(self) -> str:
        inside = f", in {self.function}" if self.function else ""
        return f"{self.place}, line {self.line}{inside}\n----> {self.line} {self.source}"


def student_frames(trace: TracebackType | None) -> list[StudentFrame]:
    """Return the reader's own frames, outermost first."""
    return [
        _frame(frame, line) for frame, line in traceback.walk_tb(trace) if is_own(frame.f_code.co_filename)
    ]


def _frame(frame: FrameType, line: int) -> StudentFrame:
    code = frame.f_code
    function = "" if code.co_name.startswith("<") else code.co_name
    return StudentFrame(
        _place(code.co_filename), line, function, linecache.getline(code.co_filename, line).strip()
    )


@lru_cache(maxsize=512)
def is_own(filename: str) -> bool:
    """Whether code from this file is the reader's."""
    if filename.startswith("<") and not filename.startswith(OWN_NAMES):
        return False
    path = Path(filename)
    if path.suffix == ".py" and not path.is_absolute() and not path.exists():
        return False  # compiled by Cython, which keeps the name that the file had where it was built
    if any(folder in path.parts for folder in LIBRARY_FOLDERS):
        return False
    return not any(path.is_relative_to(folder) for folder in _foreign_folders())


@lru_cache(maxsize=1)
def _foreign_folders() -> tuple[Path, ...]:
    python = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")]
    return (*map(Path, python), Path(_package_file).parent)


def _place(filename: str) -> str:
    if filename == OWN_NAMES[1]:
        return "your code"
    for naming in _cell_names():
        named = naming(filename)
        if named:
            return " ".join(named)
    return Path(filename).name


def _cell_names() -> Iterator[Callable[[str], tuple[str, str] | None]]:
    """Yield IPython's own naming of cells when it is running."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        yield shell.compile.format_code_name
