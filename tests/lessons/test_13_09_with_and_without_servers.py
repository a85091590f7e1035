"""Lesson 13.9 where PostgreSQL and MariaDB are connected, and where neither is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lessons.committed import cells_by_id, claims, code_cells, lesson, printed, run_freshly
from tests.lessons.test_lessons_run_freshly import NO_SERVERS

NAME = "13_09_database_per_service.ipynb"
ON_SERVERS = ("roles-seen", "poly", "poly-down")


def test_outputs_were_made_with_postgresql_and_mariadb() -> None:
    """The committed outputs are measurements: nothing recorded stands in for a server."""
    notebook = lesson(NAME)
    assert "ecorded" not in json.dumps([cell.outputs for cell in code_cells(notebook)])
    kinds = printed(cells_by_id(notebook)["13-9-poly"])
    assert "'orders': 'postgresql', 'customers': 'mysql', 'payments': 'postgresql'" in kinds


@pytest.mark.slow
def test_lesson_runs_to_its_end_when_servers_are_away(tmp_path: Path) -> None:
    """Cells for a server say that what follows was recorded, and every claim is the committed one."""
    fresh, committed = run_freshly(NAME, tmp_path, after_start=NO_SERVERS), lesson(NAME)
    cells, before = cells_by_id(fresh), cells_by_id(committed)
    for name in ON_SERVERS:
        assert "ecorded" in printed(cells[f"13-9-{name}"]), name
    names = [cell["id"] for cell in code_cells(committed)]
    assert {one: claims(cells[one]) for one in names} == {one: claims(before[one]) for one in names}
