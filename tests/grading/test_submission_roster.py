"""A class list is read as spreadsheets save it, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_support.grading.submissions.roster import RosterError, read_roster


@pytest.mark.parametrize("content", ["\ufeffID;Name\r\n1;Ä\r\n", "id,name,x\n1, Ä,y\n\n"])
def test_separators_marks_and_blank_lines_are_handled(tmp_path: Path, content: str) -> None:
    (tmp_path / "class.csv").write_text(content, "utf-8", newline="")
    assert read_roster(tmp_path / "class.csv") == ({"id": "1", "name": "Ä"},)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", "id\nÄ\n".encode("latin-1")])
def test_what_is_no_class_list_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "class.csv").write_bytes(content)
    with pytest.raises(RosterError, match=r"^[^\n]+$"):
        read_roster(tmp_path / "class.csv")
