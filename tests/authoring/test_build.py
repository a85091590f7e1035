"""Labs come from solutions, the same bytes each time; tidying removes what a session leaves behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab_support.authoring.build import WIDGET_MIME, build_labs, lab_text
from lab_support.notebooks import NotebookError, read_notebook
from tests.support.lab_files import SOLUTION, code, notebook, save

OUTPUT = {"output_type": "stream", "name": "stdout", "text": "42"}
WORK = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"


def solution(root: Path, *cells: dict[str, Any], metadata: dict[str, Any] | None = None) -> Path:
    """Save a solution."""
    return save(root / "solutions" / "lab.ipynb", {**notebook(cells), "metadata": metadata or {}})


def test_lab_keeps_ids_and_checks_and_loses_solutions_and_outputs(tmp_path: Path) -> None:
    """Every cell of the solution is in the lab, in order and under its id."""
    ran = {**code("13-1-1-work", WORK), "outputs": [OUTPUT], "execution_count": 7}
    solution(tmp_path, ran, code("13-1-1-check", "await check()"))

    build_labs(tmp_path)

    work, check = read_notebook(tmp_path / "labs" / "lab.ipynb").cells
    assert (work.id, work.source) == ("13-1-1-work", "x = ...  # your code here")
    assert (work.content["outputs"], work.content["execution_count"]) == ([], None)
    assert (check.id, check.source) == ("13-1-1-check", "await check()")
    assert check.content["metadata"] == {"deletable": False, "editable": False}


def test_second_build_changes_nothing(tmp_path: Path) -> None:
    """Building is deterministic, byte for byte."""
    solution(tmp_path, code("a", WORK))

    first = build_labs(tmp_path)
    lab = (tmp_path / "labs" / "lab.ipynb").read_bytes()

    assert [path.parent.name for path in first] == ["solutions", "labs"]
    assert build_labs(tmp_path) == []
    assert (tmp_path / "labs" / "lab.ipynb").read_bytes() == lab


def test_lab_in_the_repository_is_what_its_solution_builds() -> None:
    """The committed lab was built, not edited."""
    assert (SOLUTION.parents[1] / "labs" / SOLUTION.name).read_text("utf-8") == lab_text(SOLUTION)


def test_build_tidies_the_solution_itself(tmp_path: Path) -> None:
    """Outputs, counts, widget state and editors' metadata leave the solution; tags stay."""
    ran = {**code("a", WORK, tags=["keep"], collapsed=True), "outputs": [OUTPUT], "execution_count": 7}
    path = solution(tmp_path, ran, metadata={"widgets": {}, "vscode": {}})

    build_labs(tmp_path)

    content = read_notebook(path).content
    assert content["cells"][0]["metadata"] == {"tags": ["keep"]}
    assert content["cells"][0]["outputs"] == []
    assert set(content["metadata"]) == {"kernelspec", "language_info"}


def test_build_keeps_a_lessons_outputs_and_drops_its_widgets(tmp_path: Path) -> None:
    """A widget that no other session can show goes; the picture beside it stays."""
    both = {
        "output_type": "display_data",
        "metadata": {},
        "data": {WIDGET_MIME: {}, "image/svg+xml": "<svg/>"},
    }
    alone = {"output_type": "display_data", "metadata": {}, "data": {WIDGET_MIME: {}}}
    cell = {**code("a", "1"), "outputs": [OUTPUT, both, alone], "execution_count": 1}
    path = save(
        tmp_path / "notebooks" / "lesson.ipynb", {**notebook([cell]), "metadata": {"widgets": {"x": 1}}}
    )

    build_labs(tmp_path)

    content = json.loads(path.read_text("utf-8"))
    assert content["cells"][0]["outputs"] == [OUTPUT, {**both, "data": {"image/svg+xml": "<svg/>"}}]
    assert "widgets" not in content["metadata"]


def test_build_joins_text_that_came_in_pieces(tmp_path: Path) -> None:
    """What a slow machine printed in three pieces is one output; an error's text stays apart."""
    pieces = [{**OUTPUT, "text": text} for text in ("4", "2\n", ["1", "\n"])]
    aside = {**OUTPUT, "name": "stderr"}
    cell = {**code("a", "1"), "outputs": [*pieces, aside, OUTPUT], "execution_count": 1}
    path = save(tmp_path / "notebooks" / "lesson.ipynb", notebook([cell]))

    build_labs(tmp_path)

    outputs = json.loads(path.read_text("utf-8"))["cells"][0]["outputs"]
    assert outputs == [{**OUTPUT, "text": ["42\n", "1\n"]}, aside, OUTPUT]


def test_broken_markers_stop_the_build_with_the_cells_name(tmp_path: Path) -> None:
    """No lab is written from a solution that might show through."""
    solution(tmp_path, code("13-1-1-work", "### BEGIN SOLUTION\nsecret = 1"))

    with pytest.raises(NotebookError, match=r"broken cell 13-1-1-work.*never ended"):
        build_labs(tmp_path)

    assert not (tmp_path / "labs" / "lab.ipynb").exists()
