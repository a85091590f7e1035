"""The workbook's folders: there, complete, writable, with room on the disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab_support.settings import Settings
from lab_support.workbook.doctor.report import Finding

_ROOM_MB = 200


def workbook(root: Path) -> Finding:
    """Tell whether lessons and labs are where they should be."""
    lessons, labs = (len(list((root / name).glob("*.ipynb"))) for name in ("notebooks", "labs"))
    seen = f"{root}: {lessons} lesson(s), {labs} lab(s)"
    if lessons and labs:
        return Finding("workbook folder", "ok", seen)
    return Finding(
        "workbook folder", "bad", seen, "Go to the workbook's folder (the one with labs/) and ask again"
    )


def work(root: Path) -> Finding:
    """Tell how many of the labs the student has a copy of."""
    labs = {path.name for path in (root / "labs").glob("*.ipynb")}
    copies = {path.name for path in (root / "work").glob("*.ipynb")} & labs
    seen = f"{len(copies)} of {len(labs)} lab(s) copied to work/"
    if copies == labs:
        return Finding("work folder", "ok", seen)
    return Finding("work folder", "note", seen, "lab open")


def lab_home() -> Iterator[Finding]:
    """Write to the folder that keeps progress and embedded servers, and look how much room its disk has."""
    home = Settings().lab_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"\0" * 4096)
    except OSError as error:
        detail = f"{home} can't be written: {error.strerror or type(error).__name__}"
        yield Finding("lab home", "bad", detail, "Make it writable, or set LAB_HOME to a folder that is")
        return
    free_mb = shutil.disk_usage(home).free // 1_000_000
    if free_mb < _ROOM_MB:
        detail = f"{home} has {free_mb} MB left; PostgreSQL and the labs want {_ROOM_MB} MB"
        yield Finding("lab home", "note", detail, "Make room on that disk, or set LAB_HOME to another")
    else:
        yield Finding("lab home", "ok", f"{home} can be written")
