"""Lesson 13.10 where all engines are connected, and where none but SQLite and the MongoDB in the box is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lessons.committed import cells_by_id, claims, code_cells, lesson, printed, run_freshly
from tests.lessons.test_lessons_run_freshly import NO_SERVERS

NAME = "13_10_pools_and_timeouts.ipynb"
FOR_SERVERS = ("cost", "saved", "room", "stale-seen", "real")
PARTLY = ("four-raised", "four-stopped", "cancel", "stop")


def test_outputs_were_made_with_all_engines() -> None:
    """The committed outputs are measurements: nothing recorded stands in for a server."""
    shown = json.dumps([cell.outputs for cell in code_cells(lesson(NAME))])
    assert "ecorded" not in shown
    assert all(f"<td>{name}</td>" in shown for name in ("sqlite", "postgresql", "mariadb", "mongodb"))


@pytest.mark.slow
def test_lesson_runs_to_its_end_when_servers_are_away(tmp_path: Path) -> None:
    """What needs a server says what was recorded and claims nothing of it; all else is claimed as ever."""
    committed = lesson(NAME)
    cells, before = (
        cells_by_id(run_freshly(NAME, tmp_path, after_start=NO_SERVERS)),
        cells_by_id(committed),
    )
    for name in FOR_SERVERS:
        assert "no server answers. Recorded" in printed(cells[f"13-10-{name}"]), name
        assert claims(cells[f"13-10-{name}"]) == []
    for name in PARTLY:
        said, all_said = claims(cells[f"13-10-{name}"]), claims(before[f"13-10-{name}"])
        assert said == [one for one in all_said if one in said], name
        assert 0 < len(said) < len(all_said), name
    others = {cell["id"] for cell in code_cells(committed)} - {f"13-10-{one}" for one in FOR_SERVERS + PARTLY}
    assert {one: claims(cells[one]) for one in others} == {one: claims(before[one]) for one in others}
