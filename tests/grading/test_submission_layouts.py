"""Each platform's layout is recognised by itself, and every student in it is listed."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from lab_support.grading.submissions.layouts import Recognised, recognise


def laid_out(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return root


def students(found: Recognised) -> list[str]:
    return [submission.student for submission in found.submissions]


@pytest.mark.parametrize(
    ("layout", "names", "expected"),
    [
        ("a folder per student", ["ada/lab.ipynb", "bob/x/lab.ipynb"], ["ada", "bob"]),
        ("nbgrader", ["submitted/ada/13/lab.ipynb", "submitted/bob/13/lab.ipynb"], ["ada", "bob"]),
        ("GitHub Classroom", ["lab-ada/.git/HEAD", "lab-ada/a.ipynb", "lab-bob/.git/HEAD"], ["ada", "bob"]),
        (
            "Moodle",
            ["Ada L_1_assignsubmission_file_/lab.ipynb", "Bob_2_assignsubmission_file/lab.ipynb"],
            ["Ada L (1)", "Bob (2)"],
        ),
        ("Canvas", ["la_12_67_13_01_orm.ipynb", "bo_LATE_13_68_13_01_orm.ipynb"], ["bo (13)", "la (12)"]),
    ],
)
def test_a_layout_is_recognised(tmp_path: Path, layout: str, names: list[str], expected: list[str]) -> None:
    found = recognise(laid_out(tmp_path / "class", *names), tmp_path / "scratch")
    assert (found.layout, students(found)) == (layout, expected)
    assert found.sentence == f"Recognised as {layout}: 2 students."


def test_of_canvas_uploads_the_newest_counts_and_lateness_is_kept(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "class", "bo_LATE_1_6_orm.ipynb", "bo_LATE_1_7_orm-2.ipynb")
    (submission,) = recognise(root, tmp_path / "scratch").submissions
    assert ([path.name for path in submission.files], submission.late) == (["bo_LATE_1_7_orm-2.ipynb"], True)


def test_a_zip_in_a_moodle_zip_is_opened(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as opened:
        opened.writestr("lab.ipynb", "{}")
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as opened:
        opened.writestr("Ada_1_assignsubmission_file_/mine.zip", inner.getvalue())
    found = recognise(tmp_path / "class.zip", tmp_path / "scratch")
    assert (found.layout, found.submissions[0].files[0].read_text()) == ("Moodle", "{}")


def test_links_and_pipes_are_noted_and_never_opened(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "class", "ada/lab.ipynb", "bob/lab.ipynb")
    (root / "ada" / "theirs").symlink_to(root / "bob")
    (root / "ada" / "link.ipynb").symlink_to(root / "bob" / "lab.ipynb")
    os.mkfifo(root / "ada" / "pipe.ipynb")
    ada = recognise(root, tmp_path / "scratch").submissions[0]
    assert ([path.name for path in ada.files], len(ada.notes)) == (["lab.ipynb"], 3)


def test_an_empty_folder_is_a_student_without_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (ada,) = recognise(tmp_path / "class", tmp_path / "scratch").submissions
    assert (ada.student, ada.files, ada.notes[-1]) == ("ada", (), "There is no notebook.")
