"""The contract cell of lesson 13.3, on all engines and without servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lessons.committed import cells_by_id, claims, lesson, printed, run_freshly
from tests.lessons.test_lessons_run_freshly import NO_SERVERS

NAME = "13_03_repository.ipynb"
CELL = "13-3-contract-seen"
KEPT = [f"✓ {name}: rules broken: []" for name in ("in memory", "sqlite", "postgresql", "mariadb")]


def test_contract_was_kept_by_every_implementation_when_the_outputs_were_made() -> None:
    """The committed outputs are measurements: nothing recorded stands in for a server."""
    cell = cells_by_id(lesson(NAME))[CELL]
    assert claims(cell) == KEPT
    assert "no server answers" not in printed(cell)


@pytest.mark.slow
def test_contract_cell_shows_what_was_recorded_when_servers_are_away(tmp_path: Path) -> None:
    """Without PostgreSQL and MariaDB the cell says so, and the lesson goes on to its end."""
    fresh = run_freshly(NAME, tmp_path, after_start=NO_SERVERS)
    shown = printed(cells_by_id(fresh)[CELL])
    assert claims(cells_by_id(fresh)[CELL]) == KEPT
    assert [
        f"{name}: no server answers. Recorded" in shown for name in ("sqlite", "postgresql", "mariadb")
    ] == [
        False,
        True,
        True,
    ]
    assert claims(cells_by_id(fresh)["13-3-report"])
