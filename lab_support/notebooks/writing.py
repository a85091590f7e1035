"""Write a notebook so that the same content gives the same bytes, and a failure leaves the old file whole.

Section:
    All sections.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab_support.notebooks.reading import NotebookError

AS_JSON_ESCAPE = "backslashreplace"
"""What UTF-8 cannot hold (half a surrogate pair) is written as JSON's own escape."""


def notebook_text(content: Mapping[str, Any]) -> str:
    """Return a notebook as Jupyter itself would save it: sorted keys, sources line by line."""
    cells = [{**cell, "source": _lines(cell.get("source", ""))} for cell in content["cells"]]
    return json.dumps({**content, "cells": cells}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_notebook(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file in one step.

    Raises:
        NotebookError: The disk is full, or the folder cannot be written; the old file is untouched.
    """
    write_text(path, notebook_text(content))


def write_text(path: Path, text: str) -> None:
    """Write beside the file and move into its place.

    Raises:
        NotebookError: The disk is full, or the folder cannot be written; the old file is untouched.
    """
    unfinished: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".part")
        unfinished = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors=AS_JSON_ESCAPE, newline="\n") as file:
            file.write(text)
        unfinished.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        unfinished.replace(path)
    except OSError as error:
        if unfinished is not None:
            with suppress(OSError):
                unfinished.unlink()
        raise NotebookError(path, f"was not written: {_advice(error)}") from error


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space and run the command again; nothing was changed."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "its folder is read-only. Make it writable, or work on a copy of the workbook."
    return f"{error.strerror or error}. Nothing was changed."


def _lines(source: str | list[str]) -> list[str]:
    text = source if isinstance(source, str) else "".join(source)
    return text.splitlines(keepends=True)
