"""Every lesson, run from its first cell today, claims what its committed outputs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lessons.committed import LESSONS, cells_by_id, claims, code_cells, lesson, printed, run_freshly

NO_SERVERS = """
import os
from lab_support.database import EmbeddedPostgres, EmbeddedPostgresError

def away(self):
    raise EmbeddedPostgresError("there is no wheel for this platform")

EmbeddedPostgres.url = away
os.environ["LAB_MARIADB_URL"] = "mysql+aiomysql://root@127.0.0.1:1"
"""

pytestmark = pytest.mark.slow


def stderr_of(notebook: Any) -> dict[str, str]:
    return {
        cell["id"]: output.text
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    }


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_claims_today_what_its_outputs_say(name: str, tmp_path: Path) -> None:
    """A fresh run raises nothing, warns of nothing, and prints the committed claims in their order."""
    fresh, committed = run_freshly(name, tmp_path), lesson(name)
    said = {cell["id"]: claims(cell) for cell in code_cells(committed)}
    assert {cell["id"]: claims(cell) for cell in code_cells(fresh)} == said
    assert stderr_of(fresh) == {}
    assert sum(map(len, said.values())) > 0


def test_lesson_shows_the_recorded_table_when_servers_are_away(tmp_path: Path) -> None:
    """Without PostgreSQL and MariaDB the cell says so, and the lesson goes on to its end."""
    name = "13_01_sqlalchemy_orm.ipynb"
    fresh = run_freshly(name, tmp_path, after_start=NO_SERVERS)
    shown = printed(cells_by_id(fresh)["13-1-drivers-seen"])
    for backend in ("postgresql", "mariadb"):
        assert f"{backend}: no server answers. Recorded on PostgreSQL 18.4 and MariaDB 10.11.19:" in shown
        assert f"✓ {backend}: statements, price, stock" in shown
    assert claims(fresh.cells[-2]) == claims(lesson(name).cells[-2])


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_cells_may_be_run_twice(name: str, tmp_path: Path) -> None:
    """Whoever runs a cell again sees the same number of claims hold, and no warning."""
    twice = run_freshly(name, tmp_path, twice=True)
    cells = cells_by_id(twice)
    again = {one: cell for one, cell in cells.items() if one.endswith("-again")}
    assert again
    for one, cell in again.items():
        assert len(claims(cell)) == len(claims(cells[one.removesuffix("-again")])), one
    assert stderr_of(twice) == {}
