"""Unpack the notebooks of a zip that anybody may have made: what is unsafe is left out and noted.

Names in the archive never become paths: each member is written under a number, and its own name is data.

Section:
    All sections.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; beyond a limit the member, or the rest of the archive, is left out."""

    members: int = 20_000
    single_bytes: int = 200_000_000
    total_bytes: int = 4_000_000_000
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A file that was unpacked: the name it has in the archive, and where it is now."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out.

    Attributes:
        members: The files, in the archive's order.
        notes: The name in the archive, empty for the archive itself, and why it was left out.
    """

    members: tuple[Member, ...]
    notes: tuple[tuple[str, str], ...]


def unpack(archive: Path, into: Path, *, limits: Limits | None = None) -> Unpacked:
    """Unpack an archive's notebooks and zips into an empty folder; nothing in the archive makes it raise.

    Args:
        archive: The zip.
        into: A folder for this archive alone; it is made.
        limits: Others than usual.
    """
    limits = limits or Limits()
    members, notes, left, seen = list[Member](), list[tuple[str, str]](), limits.total_bytes, set[str]()
    into.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            if len(infos) > limits.members:
                return Unpacked((), (("", f"holds {len(infos)} files; {limits.members} is the most"),))
            for number, info in enumerate(infos):
                if info.is_dir() or not info.filename.lower().endswith((".ipynb", ".zip")):
                    continue
                reason = _reason_against(info, seen, limits)
                path = into / f"{number}{PurePosixPath(info.filename).suffix.lower()}"
                if reason is None:
                    seen.add(info.filename)
                    reason = _write(opened, info, path, min(limits.single_bytes, left))
                if reason is None:
                    left -= info.file_size
                    members.append(Member(info.filename, path))
                else:
                    notes.append((info.filename, reason))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        notes.append(("", f"is not a readable zip ({error})"))
    return Unpacked(tuple(members), tuple(notes))


def _reason_against(info: zipfile.ZipInfo, seen: set[str], limits: Limits) -> str | None:
    name, mode = info.filename, info.external_attr >> 16
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name[:2]:
        return "its name leads out of the archive"
    if not name.isprintable():
        return "its name has characters that cannot be printed"
    if name in seen:
        return "its name is there twice; the first counts"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "it is a link or a device, not a file"
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.file_size > limits.single_bytes:
        return f"it is larger than {limits.single_bytes} bytes"
    if info.file_size > limits.ratio * max(info.compress_size, 1):
        return "it grows too much when unpacked"
    return None


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, most: int) -> str | None:
    written = 0
    try:
        with opened.open(info) as source, path.open("xb") as target:
            while piece := source.read(_PIECE):
                written += len(piece)
                if written > most:
                    break
                target.write(piece)
            else:
                return None
        reason = "there is no room left for it within the limits"
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        reason = f"it is damaged ({error})"
    path.unlink(missing_ok=True)
    return reason
