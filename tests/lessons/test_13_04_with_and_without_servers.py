"""Lesson 13.4 where all engines are connected, and where none but SQLite is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lessons.committed import cells_by_id, claims, lesson, printed, run_freshly
from tests.lessons.test_lessons_run_freshly import NO_SERVERS

NAME = "13_04_local_transactions.ipynb"
ENGINES = ("sqlite", "postgresql", "mariadb")


def test_matrix_was_measured_on_all_engines_when_the_outputs_were_made() -> None:
    """The committed outputs are measurements: nothing recorded stands in for a server."""
    cells = cells_by_id(lesson(NAME))
    shown = json.dumps(cells["13-4-matrix"].outputs)
    assert "no server answers" not in shown
    assert all(f"{name} " in shown for name in ("SQLite", "PostgreSQL", "MariaDB"))
    assert len(claims(cells["13-4-ways-seen"])) == 9


@pytest.mark.slow
def test_lesson_runs_to_its_end_when_servers_are_away(tmp_path: Path) -> None:
    """The matrix shows what was recorded, and every claim of another cell is about what is connected."""
    cells, committed = (
        cells_by_id(run_freshly(NAME, tmp_path, after_start=NO_SERVERS)),
        cells_by_id(lesson(NAME)),
    )
    for cell in ("13-4-deadlock-seen", "13-4-stale", "13-4-idem"):
        assert claims(cells[cell]) == claims(committed[cell])
    shown = printed(cells["13-4-matrix"])
    recorded = [f"{name}: no server answers. Recorded" in shown for name in ENGINES]
    assert recorded == [False, True, True]
    assert claims(cells["13-4-matrix"]) == claims(committed["13-4-matrix"])[:1]
    assert len(claims(cells["13-4-ways-seen"])) == 3
