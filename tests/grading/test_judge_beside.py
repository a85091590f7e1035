"""A judge that never runs a line of the student's gives the verdicts of the notebook."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import lab_support
from lab_support.exercises import State, section, sections
from lab_support.exercises.registry import STEMS
from lab_support.grading.beside.confined import ConfinedKernel, confined_kernel
from lab_support.grading.beside.lab import judge_lab
from lab_support.grading.beside.plain import PlainProcess, plain_process
from lab_support.grading.isolation.barriers import Limits
from lab_support.grading.isolation.launcher import Confinement, Zygote
from lab_support.grading.records import VerdictRecord
from lab_support.notebooks import Cell, read_notebook

ROOT = Path(lab_support.__file__).parents[1]
ANSWERS = ROOT / "tests" / "misconceptions"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="hands a socket to a child")


def judged(folder: Path, cells: Sequence[Cell], *only: str) -> dict[str, VerdictRecord]:
    def spawn() -> AbstractContextManager[PlainProcess]:
        return plain_process(folder)

    return {one.exercise: one for one in judge_lab(cells, spawn, folder, only=only)}


def cells_of(kind: str, number: str) -> list[Cell]:
    return list(read_notebook(ROOT / kind / f"{STEMS[number]}.ipynb").code())


def with_work(number: str, exercise: str, source: str) -> list[Cell]:
    """Put an answer into the lab, and leave out what belongs to other exercises."""
    own = exercise.replace(".", "-")
    return [
        Cell(cell.id, cell.kind, source, cell.content) if cell.id == f"{own}-work" else cell
        for cell in cells_of("labs", number)
        if cell.name is None or cell.name.exercise == exercise
    ]


@pytest.mark.parametrize("number", sections())
def test_every_solution_passes(number: str, tmp_path: Path) -> None:
    found = judged(tmp_path, cells_of("solutions", number))

    assert {name: (one.state, one.message) for name, one in found.items()} == {
        exercise.id: (State.PASSED.value, "") for exercise in section(number)
    }


def test_blank_lab_is_not_attempted(tmp_path: Path) -> None:
    found = judged(tmp_path, cells_of("labs", "13.4"))

    assert {one.state for one in found.values()} == {State.NOT_ATTEMPTED.value}
    assert len(found) == len(section("13.4"))


@pytest.mark.parametrize(
    ("exercise", "source", "state", "says"),
    [
        ("13.4.1", "import os\nos._exit(0)", State.ERROR, "ended the process"),
        (
            "13.4.1",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            State.ERROR,
            "ended the process",
        ),
        ("13.4.1", "raise LookupError('lost')", State.ERROR, "LookupError: lost"),
        ("13.4.1", "place_order = ...", State.NOT_ATTEMPTED, "place_order"),
        ("13.4.1", "async def place_order(*a, **k):\n    import os\n    os._exit(0)", State.ERROR, "ended"),
        ("13.4.1", "async def place_order(*a, **k):\n    raise SystemExit", State.ERROR, "SystemExit"),
        ("13.4.1", "async def place_order(*a, **k):\n    while True: pass", State.TIMED_OUT, "stopped"),
    ],
)
def test_code_that_ends_badly_harms_only_its_own_exercise(
    exercise: str, source: str, state: State, says: str, tmp_path: Path
) -> None:
    cells = [
        Cell(cell.id, cell.kind, source, cell.content) if cell.id == "13-4-1-work" else cell
        for cell in cells_of("solutions", "13.4")
    ]
    found = judged(tmp_path, cells, "13.4.1", "13.4.4")

    assert found[exercise].state == state.value
    assert says in found[exercise].message
    assert found["13.4.4"].state == State.PASSED.value


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")
@pytest.mark.parametrize("number", ["13.2", "13.8", "13.9"])
def test_every_solution_passes_behind_all_barriers(number: str, tmp_path: Path) -> None:
    """No network, no files but its own, and the same verdicts: documents are reached by a Unix socket.

    Sections whose races need PostgreSQL wait for a server that lets a confined child in by a password.
    """
    active: set[tuple[str, ...]] = set()
    home, databases = tmp_path / "home", tmp_path / "databases"
    home.mkdir()
    databases.mkdir()

    @contextmanager
    def spawn() -> Iterator[ConfinedKernel]:
        with confined_kernel(zygote, Confinement(home, [databases], limits=Limits(memory=2**31))) as kernel:
            active.add(kernel.barriers)
            yield kernel

    with Zygote() as zygote:
        found = judge_lab(cells_of("solutions", number), spawn, databases)

    if not all({"namespaces", "landlock"} <= set(barriers) for barriers in active):
        pytest.skip(f"only {active} here")
    assert {one.exercise: (one.state, one.message) for one in found} == {
        exercise.id: (State.PASSED.value, "") for exercise in section(number)
    }
