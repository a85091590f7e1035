"""PostgreSQL refuses to run as root: as root it gets a user of its own, and places that this user can enter.

No permission of an existing folder is widened: what the user cannot enter is copied to a place it can.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_NAME = "lab-postgres"
_NOTE = "home"  # in a folder elsewhere: the path of the home that it stands for


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The numbers under which the server runs."""

    uid: int
    gid: int


def number() -> int:
    """Return the number of the user who runs this process; 0 where there is none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def for_this_process() -> SystemUser | None:
    """Return the server's own user when this process runs as root, making it if need be; else None.

    Raises:
        PermissionError: The user can be neither found nor made.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        _make_user()
        entry = pwd.getpwnam(_NAME)
    return SystemUser(entry.pw_uid, entry.pw_gid)


def _make_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--user-group", "--shell", "/bin/false", _NAME]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise PermissionError(
            f"PostgreSQL does not run as root, and the user '{_NAME}' could not be made for it ({error}). "
            "Work as an ordinary user, or set LAB_POSTGRES_URL to another server."
        ) from error


def home_it_can_enter(home: Path) -> Path:
    """Return the folder itself; as root, one under the temporary folder when others may not enter it."""
    if for_this_process() is None or _open_to_others(home):
        return home
    folder = folder_elsewhere(home)
    note = folder / _NOTE
    if not note.exists():
        _remove_orphans()
        note.write_text(str(home), encoding="utf-8")
    return folder


def _remove_orphans() -> None:
    """Remove the clusters of homes that are gone, unless a server still runs on them."""
    for note in Path(tempfile.gettempdir()).glob(f"lab-postgres-{number()}-*/{_NOTE}"):
        folder = note.parent
        if folder.stat().st_uid != number() or runs_on(folder / "data"):
            continue
        if not Path(note.read_text("utf-8")).exists():
            shutil.rmtree(folder, ignore_errors=True)


def programs_it_can_run(programs: Path, home: Path) -> Path:
    """Return the folder of programs, or that of a copy inside `home` when others may not read them."""
    if _open_to_others(programs / "postgres"):
        return programs
    size = (programs / "postgres").stat().st_size  # a new wheel gets a new copy
    copy = home / f"programs-{programs.parent.name}-{size}"
    if not copy.exists():
        unfinished = home / "programs.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(programs.parent, unfinished, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        unfinished.rename(copy)
    return copy / programs.name


def runs_on(data: Path) -> bool:
    """Tell whether the process named in a cluster's pid file is a PostgreSQL server on that very cluster."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        command = subprocess.run(  # noqa: S603
            ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except (OSError, ValueError):
        return False
    return "postgres" in command and str(data) in command


def folder_elsewhere(home: Path, part: str = "") -> Path:
    """Return a folder of this user's own under the system's temporary folder, the same one for the same home.

    Raises:
        PermissionError: Somebody else has taken its name.
    """
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"lab-postgres{part and '-' + part}-{number()}-{name}"
    folder.mkdir(mode=0o700 if part else 0o755, exist_ok=True)
    server_user = for_this_process()
    allowed = {number()} | ({server_user.uid} if server_user else set())
    if folder.is_symlink() or folder.stat().st_uid not in allowed:
        raise PermissionError(
            f"{folder} belongs to somebody else. Remove it, or set LAB_HOME to another folder."
        )
    return folder


def _open_to_others(path: Path) -> bool:
    wanted = stat.S_IROTH | stat.S_IXOTH if path.is_file() else stat.S_IXOTH
    if path.stat().st_mode & wanted != wanted:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
