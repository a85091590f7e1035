"""Recognise how a platform laid the submissions out, and turn them into one list of students and files.

Section:
    All sections.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab_support.grading.submissions.unpacking import unpack

_MOODLE = re.compile(r"(.+)_(\d+)_assignsubmission_file_?")
_CANVAS = re.compile(r"([^_]+)_(LATE_)?(\d+)_(\d+)_(.+?)(?:-(\d+))?\.(?:ipynb|zip)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Submission:
    """What one student handed in; `notes` say what of it could not be used."""

    student: str
    files: tuple[Path, ...]
    late: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recognised:
    """The layout, a sentence that says so, and the submissions by student."""

    layout: str
    sentence: str
    submissions: tuple[Submission, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    name: PurePosixPath
    path: Path | None
    note: str = ""


def recognise(source: Path, scratch: Path) -> Recognised:
    """List the submissions in a folder or a zip.

    Args:
        source: What the platform exported.
        scratch: An empty folder, for what is unpacked; it must outlive the files' use.
    """
    entries = _from_folder(source) if source.is_dir() else _from_zip(source, scratch / "class")
    layout = _layout(source, entries)
    grouped: dict[str, list[_Entry]] = {}
    late: set[str] = set()
    prefix = _prefix(entries) if layout == "GitHub Classroom" else ""
    for entry in _newest(entries) if layout == "Canvas" else entries:
        student, is_late = _student(entry.name, layout, prefix)
        grouped.setdefault(student, []).append(entry)
        if is_late:
            late.add(student)
    found = tuple(
        _submission(student, grouped[student], student in late, scratch / f"nested-{number}")
        for number, student in enumerate(sorted(grouped))
    )
    return Recognised(layout, f"Recognised as {layout}: {len(found)} students.", found)


def _from_zip(source: Path, into: Path) -> list[_Entry]:
    done = unpack(source, into)
    good = [_Entry(PurePosixPath(member.name), member.path) for member in done.members]
    return good + [_Entry(PurePosixPath(name or source.name), None, note) for name, note in done.notes]


def _from_folder(source: Path) -> list[_Entry]:
    found: list[_Entry] = []
    for folder, below, files in os.walk(source):
        here = PurePosixPath(Path(folder).relative_to(source).as_posix())
        links = [name for name in below if (Path(folder) / name).is_symlink()]
        found += [_Entry(here / name, None, "it is a link, and is not followed") for name in links]
        if here.parts and not below and not files:
            found.append(_Entry(here / ".", None, "the folder is empty"))
        if ".git" in below:
            found.append(_Entry(here / ".git", None))
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in links)
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith((".ipynb", ".zip")):
                path = Path(folder) / name
                regular = stat.S_ISREG(path.lstat().st_mode)
                note = "" if regular else "it is a link or a device, not a file"
                found.append(_Entry(here / name, path if regular else None, note))
    return found


def _layout(source: Path, entries: list[_Entry]) -> str:
    tops = [entry.name.parts[0] for entry in entries if entry.name.parts]
    if source.name == "submitted" or (tops and set(tops) == {"submitted"}):
        return "nbgrader"
    if any(_MOODLE.fullmatch(top) for top in tops):
        return "Moodle"
    if any(entry.name.name == ".git" and len(entry.name.parts) == 2 for entry in entries):
        return "GitHub Classroom"
    if any(len(entry.name.parts) == 1 and _CANVAS.fullmatch(entry.name.name) for entry in entries):
        return "Canvas"
    return "a folder per student"


def _prefix(entries: list[_Entry]) -> str:
    clones = sorted({entry.name.parts[0] for entry in entries if entry.name.name == ".git"})
    if len(clones) < 2:
        return ""
    first, last = clones[0], clones[-1]
    ends = [at + 1 for at, char in enumerate(first) if char == "-" and last.startswith(first[: at + 1])]
    return first[: max(ends, default=0)]


def _student(name: PurePosixPath, layout: str, prefix: str) -> tuple[str, bool]:
    parts = name.parts
    if layout == "nbgrader" and parts[0] == "submitted" and len(parts) > 1:
        return parts[1], False
    if layout == "Moodle" and (moodle := _MOODLE.fullmatch(parts[0])):
        return f"{moodle[1]} ({moodle[2]})", False
    if layout == "Canvas" and (canvas := _CANVAS.fullmatch(parts[0])):
        return f"{canvas[1]} ({canvas[3]})", canvas[2] is not None
    return parts[0].removeprefix(prefix), False


def _newest(entries: list[_Entry]) -> list[_Entry]:
    best: dict[tuple[str, ...], tuple[int, _Entry]] = {}
    for entry in entries:
        match = _CANVAS.fullmatch(entry.name.name)
        key = (match[1], match[3], match[5]) if match else (str(entry.name),)
        again = int(match[6] or 0) if match else 0
        if key not in best or again >= best[key][0]:
            best[key] = (again, entry)
    return [entry for _, entry in best.values()]


def _submission(student: str, entries: list[_Entry], late: bool, scratch: Path) -> Submission:
    files: list[Path] = []
    notes = [f"{entry.name.name or student}: {entry.note}." for entry in entries if entry.note]
    for number, entry in enumerate(entries):
        if entry.path is None:
            continue
        if entry.path.suffix.lower() == ".zip":
            inner = unpack(entry.path, scratch / str(number))
            notes += [f"{name or entry.name.name}: {note}." for name, note in inner.notes]
            files += [member.path for member in inner.members if member.path.suffix == ".ipynb"]
            deeper = [member.name for member in inner.members if member.path.suffix == ".zip"]
            notes += [f"{name}: a zip within a zip within the class is not opened." for name in deeper]
        else:
            files.append(entry.path)
    if not files:
        notes.append("There is no notebook.")
    return Submission(student, tuple(files), late, tuple(notes))
