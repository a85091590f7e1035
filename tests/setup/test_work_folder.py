"""The student's own copies of the labs."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab_support.workbook import workfolder
from lab_support.workbook.workfolder import WorkFolderError, prepare_work


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    labs = tmp_path / "Übung mit Leerzeichen" / "labs"
    labs.mkdir(parents=True)
    (labs / "13_01_sqlalchemy_orm.ipynb").write_bytes(b'{"lab": "one"}')
    (labs / "13_02_dto_and_entity.ipynb").write_bytes(b'{"lab": "two"}')
    return labs.parent


def test_student_gets_a_copy_of_every_lab(workbook: Path) -> None:
    """The first call copies all labs, byte by byte, and leaves nothing else behind."""
    copies = prepare_work(workbook)

    assert [copy.name for copy in copies] == ["13_01_sqlalchemy_orm.ipynb", "13_02_dto_and_entity.ipynb"]
    assert copies[0].read_bytes() == b'{"lab": "one"}'
    assert sorted(path.name for path in (workbook / "work").iterdir()) == [copy.name for copy in copies]


def test_student_work_is_never_overwritten(workbook: Path) -> None:
    """A copy with the student's edits, or an emptied one, stays as it is; only missing labs arrive."""
    (workbook / "work").mkdir()
    edited = workbook / "work" / "13_01_sqlalchemy_orm.ipynb"
    edited.write_text("my own answer")

    copies = prepare_work(workbook)

    assert [copy.name for copy in copies] == ["13_02_dto_and_entity.ipynb"]
    assert edited.read_text() == "my own answer"
    assert prepare_work(workbook) == []


def test_dangling_link_in_work_is_left_alone(workbook: Path) -> None:
    """A symbolic link whose target is away (an unplugged disk) still counts as the student's file."""
    (workbook / "work").mkdir()
    link = workbook / "work" / "13_01_sqlalchemy_orm.ipynb"
    link.symlink_to(workbook / "unplugged" / "13_01.ipynb")

    prepare_work(workbook)

    assert link.is_symlink()


def test_copy_yields_when_its_name_is_taken(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two callers at once: the one that comes second leaves the first one's file untouched."""
    copy_content = shutil.copyfileobj

    def someone_is_faster(source: object, copy: object) -> None:
        copy_content(source, copy)  # type: ignore[type-var]
        (workbook / "work" / "13_01_sqlalchemy_orm.ipynb").write_text("saved meanwhile")

    monkeypatch.setattr(workfolder.shutil, "copyfileobj", someone_is_faster)

    prepare_work(workbook)

    assert (workbook / "work" / "13_01_sqlalchemy_orm.ipynb").read_text() == "saved meanwhile"


def test_copies_are_made_without_hard_links(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no hard links (a memory stick) gets its copies all the same."""

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(workfolder.os, "link", refused)

    assert len(prepare_work(workbook)) == 2
    assert len(list((workbook / "work").iterdir())) == 2


def test_full_disk_leaves_no_half_copy(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills up, the error says so in one line and no truncated lab remains."""

    def full(_source: object, copy: object) -> None:
        copy.write(b'{"la')  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(workfolder.shutil, "copyfileobj", full)

    with pytest.raises(WorkFolderError, match="No space left on device; make room"):
        prepare_work(workbook)
    assert list((workbook / "work").iterdir()) == []


def test_unwritable_place_is_named(workbook: Path) -> None:
    """Where `work` cannot be a folder, the message names it."""
    (workbook / "work").write_text("a file in the way")

    with pytest.raises(WorkFolderError, match=r"can't write .*work: File exists"):
        prepare_work(workbook)


def test_folder_without_labs_is_refused(tmp_path: Path) -> None:
    """Outside the workbook the message says where to run it."""
    with pytest.raises(WorkFolderError, match="run this from the workbook's folder"):
        prepare_work(tmp_path)


def test_script_needs_the_standard_library_only(workbook: Path) -> None:
    """`make lab` runs the file in isolated mode without site-packages, from any current folder."""
    room = workbook / "lab_support" / "workbook"
    room.mkdir(parents=True)
    script = shutil.copy(workfolder.__file__, room)

    command = [sys.executable, "-I", "-S", script]
    first, second = (
        subprocess.run(command, cwd="/", capture_output=True, text=True, check=True) for _ in range(2)
    )

    assert "2 lab(s) copied" in first.stdout
    assert second.stdout == ""
