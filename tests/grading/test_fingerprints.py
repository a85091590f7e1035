"""What a verdict rests on: a change there, and only there, needs a new check."""

from pathlib import Path

import pytest

from lab_support.grading.fingerprints import fingerprints
from lab_support.notebooks import read_notebook
from tests.support.lab_files import code, notebook, save

CELLS = {
    "13-1-start": "from lab_support.workbook import check",
    "13-1-1-work": "from sqlalchemy import select\n\n\ndef one(session):\n    helper = 1\n    return select(helper)",
    "13-1-1-check": 'await check("13.1.1", one)',
    "notes": "twice = 2",
    "13-1-2-given": "from sqlalchemy import select",
    "13-1-2-work": "def two(session):\n    return select(twice)",
    "13-1-2-check": 'await check("13.1.2", two)',
    "13-1-3-work": "def three(session):\n    return two(session)",
    "13-1-3-check": 'await check("13.1.3", three)',
}


@pytest.fixture
def changed(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Give a function that tells which exercises a change of sources touches."""

    def prints(cells: dict[str, str]) -> dict[str, object]:
        path = save(tmp_path / "lab.ipynb", notebook([code(name, source) for name, source in cells.items()]))
        return dict(fingerprints(read_notebook(path)))

    def touched(**sources: str) -> set[str]:
        edits = {name.replace("_", "-"): source for name, source in sources.items()}
        before, after = prints(CELLS), prints({**CELLS, **edits})
        return {exercise[-1] for exercise in before if before[exercise] != after.get(exercise)}

    return touched


@pytest.mark.parametrize(
    ("edit", "touches"),
    [
        ({"13_1_1_work": "def one(session): return 3"}, "1"),
        ({"13_1_1_work": "def one(session: return"}, "1"),
        ({"13_1_1_check": 'await check("13.1.1", two)'}, "1"),
        ({"13_1_2_given": "from sqlalchemy import text as select"}, "23"),
        ({"13_1_2_work": "def two(session): return twice"}, "23"),
        ({"13_1_3_work": "def three(session): return 1"}, "3"),
        ({"13_1_start": "import lab_support"}, "123"),
        ({"notes": "twice = 3"}, "23"),
        ({"new": "after = 'everything'"}, ""),
    ],
    ids=[
        "work",
        "half-written",
        "check",
        "given-used-later",
        "used-later",
        "last",
        "start",
        "own-cell",
        "at-the-end",
    ],
)
def test_change_touches_the_exercises_that_rest_on_it(changed, edit: dict[str, str], touches: str) -> None:  # type: ignore[no-untyped-def]
    """Its own cells, a cell of nobody's before it, and another exercise's that binds a name it uses."""
    assert changed(**edit) == set(touches)


@pytest.mark.parametrize("source", ["%run mine.py", "from mine import *", "!pip list", "one?"])
def test_cell_whose_names_cannot_be_seen_touches_all_after_it(changed, source: str) -> None:  # type: ignore[no-untyped-def]
    """Magic and star imports may bind anything."""
    assert changed(**{"13_1_1_work": source}) == set("123")


def test_deleted_check_cell_is_a_change(tmp_path: Path) -> None:
    """An exercise without its check cell has no fingerprint."""
    cells = [code(name, source) for name, source in CELLS.items() if name != "13-1-2-check"]

    found = fingerprints(read_notebook(save(tmp_path / "lab.ipynb", notebook(cells))))

    assert list(found) == ["13.1.1", "13.1.3"]
