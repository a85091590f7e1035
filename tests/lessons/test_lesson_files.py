"""What holds for the file of every committed lesson: ids, short cells, clean and portable outputs."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import nbformat
import pytest

from tests.lessons.committed import FOLDER, LESSONS, ROOT, code_cells, lesson

HAND_SET_ID = re.compile(r"(00|13-\d{1,2})-[a-z][a-z0-9]*(-[a-z0-9]+)*")
ABSOLUTE_PATH = re.compile(
    r"(?<![\w:/.<])/(home|root|tmp|usr|var|work|opt|Users|private|mnt)/|\b[A-Z]:\\\\?\w"
)
REGISTRIES = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs", "anaconda.org", "conda-forge.org")

every_lesson = pytest.mark.parametrize("name", LESSONS)


def outputs_of(name: str) -> list[tuple[str, Any]]:
    return [(cell["id"], output) for cell in code_cells(lesson(name)) for output in cell.outputs]


@every_lesson
def test_lesson_is_a_valid_notebook_for_the_python3_kernel(name: str) -> None:
    """The format is 4.5, which has cell ids, and any Python 3 kernel may run it."""
    notebook = lesson(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata


@every_lesson
def test_lesson_cells_have_ids_set_by_hand(name: str) -> None:
    """Every id begins with the section, reads as words, and occurs once."""
    ids = [cell["id"] for cell in lesson(name).cells]
    section = "00" if name.startswith("00") else f"13-{int(name[3:5])}"
    assert [one for one in ids if not HAND_SET_ID.fullmatch(one) or not one.startswith(section)] == []
    assert len(set(ids)) == len(ids)


@every_lesson
def test_lesson_cells_fit_a_glance(name: str) -> None:
    """No code cell has more than 15 lines that hold something."""
    lengths = {
        cell["id"]: sum(bool(line.strip()) for line in cell.source.splitlines())
        for cell in code_cells(lesson(name))
    }
    assert {one: length for one, length in lengths.items() if length > 15} == {}


@every_lesson
def test_lesson_was_run_once_from_its_first_cell_to_its_last(name: str) -> None:
    """The execution counts are 1, 2, 3 …: no cell was left out or run twice."""
    counts = [cell.execution_count for cell in code_cells(lesson(name))]
    assert counts == list(range(1, len(counts) + 1))


@every_lesson
def test_lesson_outputs_hold_no_error_and_no_warning(name: str) -> None:
    """Nothing was raised, and nothing went to stderr."""
    kinds = {(cell, one.output_type, one.get("name")) for cell, one in outputs_of(name)}
    assert [kind for kind in kinds if kind[1] == "error" or kind[2] == "stderr"] == []


@every_lesson
def test_lesson_outputs_need_no_widget(name: str) -> None:
    """Every output shows without the session that made it."""
    mimes = {mime for _, one in outputs_of(name) for mime in one.get("data", {})}
    texts = {"text/plain", "text/html", "text/markdown", "text/vnd.mermaid"}
    assert mimes <= {*texts, "image/svg+xml", "image/png"}


@every_lesson
def test_lesson_outputs_do_not_name_the_machine(name: str) -> None:
    """No absolute path, and neither the host's name nor the folder of this checkout."""
    text = json.dumps([one for _, one in outputs_of(name)])
    assert [found[0] for found in ABSOLUTE_PATH.finditer(text)] == []
    assert str(ROOT) not in text
    host = socket.gethostname()
    assert host.isalpha() or host not in text  # a host may be called by a word that a lesson uses


@every_lesson
def test_lesson_names_no_package_registry(name: str) -> None:
    """Packages come through `make lab`, never from an address in a lesson."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert [one for one in REGISTRIES if one in text] == []


@every_lesson
def test_lesson_links_lead_to_files_of_the_workbook(name: str) -> None:
    """A relative link names a lesson that is there, or a lab that `lab open` copies from `labs/` or `solutions/`."""
    prose = "\n".join(cell.source for cell in lesson(name).cells if cell.cell_type == "markdown")
    relative = [one for one in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in one]
    wanted = [FOLDER / one.replace("../work/", "../solutions/") for one in relative]
    assert [path.name for path in wanted if not path.resolve().is_file()] == []
    assert relative
