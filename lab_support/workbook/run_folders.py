"""The folder in which a lesson keeps its databases: private, empty at the start, gone at the end.

Section:
    00, "Start here"
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from lab_support.settings import get_settings


class _Current:
    """The one run folder of this process."""

    folder: Path | None = None
    owner: int = 0


def run_folder() -> Path:
    """Return the lesson's private folder; its files live until `start` runs again or the kernel ends."""
    if _Current.folder is None or _Current.owner != os.getpid() or not _Current.folder.is_dir():
        return renew_run_folder("lesson")
    return _Current.folder


def renew_run_folder(section: str) -> Path:
    """Remove this process's run folder and return a new, empty one.

    It lies in `<lab home>/run`, or with the system's temporary files where that can't be written.

    Raises:
        OSError: Neither place can be written.
    """
    remove_run_folder()
    _Current.folder = _make(section)
    _Current.owner = os.getpid()
    return _Current.folder


@atexit.register
def remove_run_folder() -> None:
    """Remove this process's run folder with all it holds; a forked child leaves its parent's alone."""
    if _Current.folder is not None and _Current.owner == os.getpid():
        shutil.rmtree(_Current.folder, ignore_errors=True)
    _Current.folder = None


def _make(section: str) -> Path:
    prefix = f"{section}-{os.getpid()}-"
    try:
        home = get_settings().lab_home.resolve() / "run"
        home.mkdir(parents=True, exist_ok=True)
        _remove_orphans(home)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=home))
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"lab-{prefix}"))


def _remove_orphans(home: Path) -> None:
    """Remove the folders of kernels that were killed."""
    for folder in home.glob("*-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
