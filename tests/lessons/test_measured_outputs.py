"""What the outputs of single cells must be, beyond their claims."""

from __future__ import annotations

import json

from tests.lessons.committed import cells_by_id, lesson


def test_all_three_databases_were_connected_when_the_outputs_were_made() -> None:
    """The committed outputs are measurements: no recorded table stands in for a server."""
    cells = json.dumps(cells_by_id(lesson("13_01_sqlalchemy_orm.ipynb"))["13-1-drivers-seen"].outputs)
    assert "no server answers" not in cells
    assert all(f"{name}: statements" in cells for name in ("sqlite", "postgresql", "mariadb"))
