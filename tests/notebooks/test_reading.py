"""Whatever file is handed in, it is read or refused in one line that says what to do."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_support.notebooks import NotebookError, notebook_text, parse_cell_id, read_notebook, reading
from tests.support.lab_files import SOLUTION, code, notebook, save

WHOLE = json.dumps(notebook([code("13-1-1-work", "x = 1")]))
NOT_NOTEBOOKS = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "truncated": (WHOLE[:-40].encode(), "breaks off"),
    "cut in a string": (WHOLE[: WHOLE.index("x = 1") + 2].encode(), "breaks off"),
    "damaged": (WHOLE.replace('"cells":', '"cells"', 1).encode(), "is damaged"),
    "with conflict markers": (f"<<<<<<< HEAD\n{WHOLE}".encode(), "is damaged"),
    "not JSON": (b"print('hello')", "is damaged"),
    "not text": (b"\x89PNG\r\n\x1a\n\x00\xff", "not even UTF-8"),
    "a JSON list": (b"[1, 2]", "not a Jupyter notebook"),
    "a JSON number": (b"42", "not a Jupyter notebook"),
    "another JSON": (b'{"name": "package.json"}', "not a Jupyter notebook"),
    "a strange format": (b'{"nbformat": "four", "cells": []}', "not a Jupyter notebook"),
    "format 3": (b'{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}', "format 3"),
    "format 5": (b'{"nbformat": 5, "nbformat_minor": 0, "cells": []}', "format 5"),
    "format 4.4": (b'{"nbformat": 4, "nbformat_minor": 4, "cells": []}', "no ids"),
    "no minor format": (b'{"nbformat": 4, "cells": []}', "no ids"),
    "no cells": (b'{"nbformat": 4, "nbformat_minor": 5}', "no list of cells"),
    "cells of text": (b'{"nbformat": 4, "nbformat_minor": 5, "cells": ["x"]}', "not cells"),
    "nested too deeply": (b"[" * 100_000, "nested too deeply"),
    "a number too long": (b'{"nbformat": ' + b"9" * 5000 + b"}", "impossible numbers"),
}


@pytest.mark.parametrize(("content", "said"), NOT_NOTEBOOKS.values(), ids=NOT_NOTEBOOKS)
def test_file_that_is_no_notebook_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    """The line names the file and says what it is instead."""
    path = tmp_path / "lab.ipynb"
    path.write_bytes(content)

    with pytest.raises(NotebookError) as refused:
        read_notebook(path)

    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_file_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    """A file that is not there points at `lab open`."""
    with pytest.raises(NotebookError, match=r"is not there.*lab open"):
        read_notebook(tmp_path / "no.ipynb")


def test_folder_is_refused(tmp_path: Path) -> None:
    """A folder is called a folder."""
    with pytest.raises(NotebookError, match="is a folder"):
        read_notebook(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this platform")
def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    """Opening a pipe would block for ever, so it is never opened."""
    os.mkfifo(tmp_path / "pipe.ipynb")

    with pytest.raises(NotebookError, match="not a regular file"):
        read_notebook(tmp_path / "pipe.ipynb")


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A sparse file beyond the limit is refused by its size alone."""
    path = tmp_path / "huge.ipynb"
    with path.open("wb") as file:
        file.truncate(reading.LARGEST_BYTES * 100)

    with pytest.raises(NotebookError, match=r"MB large.*Clear its outputs"):
        read_notebook(path)


def test_unreadable_file_says_what_the_system_said(tmp_path: Path) -> None:
    """A loop of links is one of the ways in which a path cannot be opened."""
    path = tmp_path / "loop.ipynb"
    path.symlink_to(path)

    with pytest.raises(NotebookError, match="cannot be read"):
        read_notebook(path)


def test_old_format_is_read_where_ids_are_not_needed(tmp_path: Path) -> None:
    """The nbval plugin looks at notebooks that are not the workbook's, too."""
    path = save(tmp_path / "old.ipynb", {"nbformat": 4, "nbformat_minor": 4, "cells": []})

    assert read_notebook(path, ids_needed=False).cells == ()


def test_lists_of_lines_and_single_strings_are_the_same_source(tmp_path: Path) -> None:
    """Jupyter writes lists of lines; other editors write one string."""
    lines = {**code("a", ""), "source": ["x = 1\n", "y = 2"]}
    read = read_notebook(save(tmp_path / "lab.ipynb", notebook([lines, code("b", "x = 1\ny = 2")])))

    assert read.cells[0].source == read.cells[1].source


@pytest.mark.parametrize(
    ("cell_id", "exercise", "role"),
    [("13-1-2-check", "13.1.2", "check"), ("13-10-11-given-2", "13.10.11", "given")],
)
def test_cell_id_names_exercise_and_role(cell_id: str, exercise: str, role: str) -> None:
    """`13-1-2-check` is the check cell of 13.1.2."""
    name = parse_cell_id(cell_id)

    assert name is not None
    assert (name.exercise, name.role) == (exercise, role)


@pytest.mark.parametrize(
    "cell_id", ["", "13-1-start", "13-1-2-checks", "x13-1-2-check", "13-1-2", "4f9c2a1b"]
)
def test_other_ids_name_no_exercise(cell_id: str) -> None:
    """Ids that Jupyter draws, and those of other cells, mean nothing."""
    assert parse_cell_id(cell_id) is None


@pytest.mark.parametrize(
    ("cell", "mark"),
    [
        (code("a", "1", tags=["raises-exception"]), "the tag raises-exception"),
        (code("a", "1", tags=["x", "nbval-skip"]), "the tag nbval-skip"),
        (code("a", "1", tags=["nbval-raises-exception"]), "the tag nbval-raises-exception"),
        (code("a", "#NBVAL_SKIP\n1"), "the comment #NBVAL_SKIP"),
        (code("a", "1\n  ## NBVAL_RAISES_EXCEPTION"), "the comment ## NBVAL_RAISES_EXCEPTION"),
        (code("a", "1  # NBVAL_SKIP"), None),
        (code("a", "1", tags="nbval-skip"), None),
        (code("a", "1", tags=["nbval-ignore-output"]), None),
    ],
)
def test_marks_that_switch_nbval_off_are_seen(
    tmp_path: Path, cell: dict[str, object], mark: str | None
) -> None:
    """Exactly what nbval itself would obey counts, and nothing else."""
    assert read_notebook(save(tmp_path / "lab.ipynb", notebook([cell]))).cells[0].skip_mark == mark


def test_writing_what_was_read_gives_the_same_bytes() -> None:
    """The solutions in the repository are written by this very function."""
    content = read_notebook(SOLUTION).content

    assert notebook_text(content) == notebook_text(json.loads(notebook_text(content)))


@given(st.text())
def test_source_survives_being_split_into_lines(source: str) -> None:
    """Joining the lines of a written cell gives its source back, whatever line ends it has."""
    written = json.loads(notebook_text(notebook([code("a", source)])))

    assert "".join(written["cells"][0]["source"]) == source
