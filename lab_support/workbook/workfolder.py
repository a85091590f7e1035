"""The student's own copies: a lab that `work/` lacks is copied there; nothing there is ever overwritten.

Runs as a script too, in isolation and on the standard library alone, so that `make lab` starts at once.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path


class WorkFolderError(Exception):
    """`work/` could not be prepared; the text says what to do."""


def prepare_work(root: Path) -> list[Path]:
    """Copy each lab of `root/labs` that `root/work` does not hold yet.

    Args:
        root: The workbook's folder.

    Returns:
        The copies made now, in the order of their names; empty when there was nothing to do.

    Raises:
        WorkFolderError: There are no labs, or `work/` can't be written.
    """
    labs = sorted((root / "labs").glob("*.ipynb"))
    if not labs:
        raise WorkFolderError(f"no lab found in {root / 'labs'}; run this from the workbook's folder")
    work = root / "work"
    try:
        work.mkdir(exist_ok=True)
        return [copy for lab in labs if (copy := _copy_if_absent(lab, work)) is not None]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WorkFolderError(
            f"can't write {work}: {reason}; make room or make it writable, then retry"
        ) from error


def _copy_if_absent(lab: Path, work: Path) -> Path | None:
    """Give `work` its own whole copy of `lab`, unless anything of that name is there already."""
    target = work / lab.name
    if os.path.lexists(target):
        return None
    handle, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=work)
    try:
        with lab.open("rb") as source, os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(source, copy)
        shutil.copymode(lab, unfinished)
        return target if _take_name(Path(unfinished), target) else None
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _take_name(finished: Path, target: Path) -> bool:
    """Move a finished copy to its name; False when someone else took that name first."""
    try:
        os.link(finished, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            return False
        finished.rename(target)
    return True


def main() -> int:
    """Prepare the workbook this file belongs to; say what was copied. Returns the exit status."""
    root = Path(__file__).resolve().parents[2]
    try:
        copies = prepare_work(root)
    except WorkFolderError as error:
        print(f"work folder: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if copies:
        print(f"work folder: {len(copies)} lab(s) copied to {root / 'work'}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
