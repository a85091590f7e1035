"""A reset gives the lab's cells back, keeps what the student had, and changes nothing when it cannot."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab_support.notebooks import NotebookError, read_notebook, restore_exercise, restore_whole
from tests.support.lab_files import code, notebook, save

NOW = datetime(2026, 11, 24, 19, 30, 5, tzinfo=UTC)
LAB = [
    code("13-1-start", "start"),
    code("13-1-1-work", "one = ..."),
    code("13-1-1-check", "check one"),
    code("13-1-2-work", "two = ..."),
    code("13-1-2-check", "check two"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Give a blank lab."""
    return save(tmp_path / "labs" / "lab.ipynb", notebook(LAB))


def work_with(tmp_path: Path, *cells: dict[str, object]) -> Path:
    """Save a student's notebook."""
    return save(tmp_path / "work" / "lab.ipynb", notebook(cells))


def sources(path: Path) -> list[str]:
    """Return the sources of a notebook's cells."""
    return [cell.source for cell in read_notebook(path).cells]


def test_reset_restores_one_exercise_and_no_other(tmp_path: Path, lab: Path) -> None:
    """The other exercise and the student's own cells stay as they are."""
    mine = code("mine", "my notes")
    work = work_with(
        tmp_path, LAB[0], code("13-1-1-work", "1"), LAB[2], mine, code("13-1-2-work", "2"), LAB[4]
    )

    restore_exercise(lab, work, "13.1.1", now=NOW)

    assert sources(work) == ["start", "one = ...", "check one", "my notes", "2", "check two"]


def test_reset_puts_a_deleted_check_cell_back_in_its_place(tmp_path: Path, lab: Path) -> None:
    """A cell that is gone returns after the one that precedes it in the lab."""
    work = work_with(tmp_path, LAB[0], code("13-1-1-work", "1"), LAB[3], LAB[4])

    restore_exercise(lab, work, "13.1.1", now=NOW)

    assert sources(work) == ["start", "one = ...", "check one", "two = ...", "check two"]


def test_reset_keeps_a_dated_copy_for_every_time(tmp_path: Path, lab: Path) -> None:
    """Two resets within one second keep two copies."""
    work = work_with(tmp_path, *LAB[:1], code("13-1-1-work", "mine"))
    before = work.read_bytes()

    first = restore_exercise(lab, work, "13.1.1", now=NOW)
    second = restore_whole(lab, work, now=NOW)

    assert first.kept is not None
    assert first.kept.name == "lab.2026-11-24_19-30-05.ipynb"
    assert first.kept.read_bytes() == before
    assert second.kept is not None
    assert second.kept.name == "lab.2026-11-24_19-30-05_2.ipynb"
    assert work.read_bytes() == lab.read_bytes()


def test_reset_mends_a_broken_notebook_and_keeps_it(tmp_path: Path, lab: Path) -> None:
    """A file that is no notebook any more is kept too, byte for byte."""
    work = work_with(tmp_path)
    work.write_bytes(b'{"cells": [')

    with pytest.raises(NotebookError, match="lab reset SECTION"):
        restore_exercise(lab, work, "13.1.1", now=NOW)
    restored = restore_whole(lab, work, now=NOW)

    assert restored.kept is not None
    assert restored.kept.read_bytes() == b'{"cells": ['
    assert work.read_bytes() == lab.read_bytes()


def test_reset_makes_a_missing_notebook_and_keeps_nothing(tmp_path: Path, lab: Path) -> None:
    """Without a copy in work/ there is nothing to keep."""
    restored = restore_exercise(lab, tmp_path / "work" / "lab.ipynb", "13.1.1", now=NOW)

    assert restored.kept is None
    assert restored.notebook.read_bytes() == lab.read_bytes()


def test_reset_of_an_unknown_exercise_touches_nothing(tmp_path: Path, lab: Path) -> None:
    """No copy is made for an exercise that the lab does not have."""
    work = work_with(tmp_path, *LAB)

    with pytest.raises(NotebookError, match=r"has no exercise 13\.1\.9"):
        restore_exercise(lab, work, "13.1.9", now=NOW)

    assert list(work.parent.iterdir()) == [work]


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "read-only")],
)
def test_reset_leaves_the_work_whole_when_it_cannot_be_written(
    tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    """A full disk or a read-only folder is one line, no half file, and the student's work untouched."""
    work = work_with(tmp_path, *LAB, code("mine", "weeks of work"))
    before = work.read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(NotebookError, match=said) as refused:
        restore_exercise(lab, work, "13.1.1", now=NOW)

    assert "\n" not in str(refused.value)
    assert work.read_bytes() == before
    assert not [path for path in work.parent.iterdir() if path.suffix == ".part"]


def test_reset_changes_nothing_when_the_copy_cannot_be_kept(
    tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a copy there is no reset."""
    work = work_with(tmp_path, *LAB, code("mine", "weeks of work"))
    before = work.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(NotebookError, match=r"No space left on device.*nothing was reset"):
        restore_whole(lab, work, now=NOW)

    assert work.read_bytes() == before


def test_reset_keeps_even_text_that_utf8_cannot_hold(tmp_path: Path, lab: Path) -> None:
    """Half a surrogate pair, which JSON can carry, survives in another cell."""
    work = work_with(tmp_path, LAB[1], code("mine", "\ud83d"))

    restore_exercise(lab, work, "13.1.1", now=NOW)

    assert sources(work) == ["one = ...", "check one", "\ud83d"]
