"""A notebook is run outside Jupyter, and whatever one cell does, the other exercises still count."""

import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab_support.exercises import State, section
from lab_support.grading.records import MISSING, NOT_RUN, VerdictRecord
from lab_support.grading.runner import run_notebook
from lab_support.notebooks import NotebookError
from tests.support.lab_files import QUICK, code, lab_file, notebook, save

Records = dict[str, VerdictRecord]
SEARCH = "async def search_products(session, term):\n    return []\n"


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the runs of these tests out of anybody's progress."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))


def run(path: Path, **options: object) -> Records:
    """Run the two quick exercises of a lab and return their records."""
    return {record.exercise: record for record in run_notebook(path, only=QUICK, **options)}  # type: ignore[arg-type]


def test_runner_passes_the_reference_in_the_sections_order(tmp_path: Path) -> None:
    """The solution's own cells pass, and each record carries the verdict behind it."""
    told: list[str] = []

    records = run_notebook(
        lab_file(tmp_path / "lab.ipynb"), only=QUICK, told=lambda record: told.append(record.exercise)
    )

    assert [(record.exercise, record.state) for record in records] == [(one, "passed") for one in QUICK]
    assert told == list(QUICK)
    verdict = records[0].rebuilt_verdict()
    assert verdict is not None
    assert json.loads(json.dumps(verdict.as_dict())) == records[0].verdict
    assert verdict.cost.statements > 0


def test_runner_says_what_is_wrong_with_a_wrong_answer(tmp_path: Path) -> None:
    """A failed check is a record with the judge's own message."""
    record = run(lab_file(tmp_path / "lab.ipynb", change={"13-1-5-work": SEARCH}))["13.1.5"]

    assert record.state == State.FAILED.value
    assert record.message
    assert record.verdict is not None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def broken(:\n    pass", "SyntaxError"),
        ("raise ValueError('not today')", "ValueError: not today"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Worse(BaseException): pass\nraise Worse('worse')", "Worse: worse"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("%no_such_magic", "UsageError"),
    ],
    ids=["syntax", "exception", "exit", "base-exception", "interrupt", "magic"],
)
def test_cell_that_fails_costs_only_its_own_exercise(tmp_path: Path, source: str, said: str) -> None:
    """A syntax error or any exception in one work cell is told, and the next exercise still passes."""
    records = run(lab_file(tmp_path / "lab.ipynb", change={"13-1-4-work": source}))

    assert records["13.1.4"].state == State.ERROR.value
    assert said in records["13.1.4"].message
    assert records["13.1.5"].passed


@pytest.mark.parametrize(
    "source",
    [
        "exit()",
        "import asyncio\nasyncio.get_event_loop().stop()",
        "import asyncio\nasyncio.set_event_loop(None)",
        "import asyncio\nasyncio.get_event_loop().close()",
        "print('x' * 100_000_000)",
        "import os\nos.write(1, b'x' * 1_000_000)\nos.system('head -c 100000000 /dev/zero')",
        "import os\nos.close(1)\nos.close(2)",
        "import sys\nsys.stdout = sys.stderr = None",
        "import os\nos.chdir('/')",
    ],
    ids=[
        "exit",
        "stops-loop",
        "forgets-loop",
        "closes-loop",
        "prints",
        "writes",
        "closes-fd",
        "no-stdout",
        "chdir",
    ],
)
def test_rude_cell_of_a_students_own_harms_no_exercise(tmp_path: Path, source: str) -> None:
    """Closing the loop, printing 100 MB or closing standard output leaves both exercises passing."""
    records = run(lab_file(tmp_path / "lab.ipynb", first=source))

    assert {record.state for record in records.values()} == {"passed"}


@pytest.mark.parametrize(
    "source", ["import os\nos._exit(0)", "import os\nos.kill(os.getpid(), 9)"], ids=["exits", "kills"]
)
@pytest.mark.parametrize("cell", ["13-1-4-work", "13-1-4-check"])
def test_cell_that_ends_the_process_costs_only_its_own_exercise(
    tmp_path: Path, source: str, cell: str
) -> None:
    """`os._exit` and a kill are an error of that exercise; the rest is run again without the cell."""
    records = run(lab_file(tmp_path / "lab.ipynb", change={cell: source}))

    assert records["13.1.4"].state == State.ERROR.value
    assert cell in records["13.1.4"].message
    assert records["13.1.5"].passed


def test_endless_cell_is_stopped_and_costs_only_its_own_exercise(tmp_path: Path) -> None:
    """A loop that swallows every exception is killed when the cell's time is up."""
    source = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"

    records = run(lab_file(tmp_path / "lab.ipynb", change={"13-1-4-work": source}), cell_limit_s=4.0)

    assert records["13.1.4"].state == State.TIMED_OUT.value
    assert records["13.1.5"].passed


def test_endless_notebook_is_stopped_at_its_own_limit(tmp_path: Path) -> None:
    """When the notebook's time is up, what is not recorded yet is timed out."""
    records = run(lab_file(tmp_path / "lab.ipynb", first="while True: pass"), limit_s=4.0)

    assert {record.state for record in records.values()} == {State.TIMED_OUT.value}
    assert "4 s" in records["13.1.4"].message


def test_redefined_check_is_not_a_pass(tmp_path: Path) -> None:
    """A `check` of the student's own leaves no record, and that is said."""
    records = run(lab_file(tmp_path / "lab.ipynb", first="async def check(*_): return 'passed'"))

    assert {record.state for record in records.values()} == {NOT_RUN}
    assert "lab reset 13.1.4" in records["13.1.4"].message


def test_check_of_another_exercise_does_not_count(tmp_path: Path) -> None:
    """A check cell that checks a different exercise proves nothing about its own."""
    source = 'await check("13.1.5", search_products)'

    records = run(lab_file(tmp_path / "lab.ipynb", change={"13-1-4-check": source}, first=SEARCH))

    assert not records["13.1.4"].passed


def test_missing_check_cell_is_an_outcome_of_its_own(tmp_path: Path) -> None:
    """Every exercise of the section is in the answer, and a deleted check cell is named."""
    path = lab_file(tmp_path / "lab.ipynb", leave_out=["13-1-5-check"])

    records = {record.exercise: record for record in run_notebook(path)}

    assert list(records) == [exercise.id for exercise in section("13.1")]
    assert records["13.1.4"].passed
    assert records["13.1.5"].state == MISSING
    assert "13-1-5-check" in records["13.1.5"].message


def test_only_the_exercises_asked_for_are_checked(tmp_path: Path) -> None:
    """The check cell of another exercise does not run; its work cell does."""
    path = lab_file(
        tmp_path / "lab.ipynb",
        change={
            "13-1-4-work": "here = 5",
            "13-1-4-check": "raise SystemExit",
            "13-1-5-work": f"assert here\n{SEARCH}",
        },
    )

    records = run_notebook(path, only=["13.1.5"])

    assert [(record.exercise, record.state) for record in records] == [("13.1.5", "failed")]


def test_nothing_that_a_cell_started_outlives_the_run(tmp_path: Path) -> None:
    """A process left running by a student's cell is killed with the notebook's own."""
    left = tmp_path / "pid"
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(left)!r}, 'w').write(str(child.pid))"
    )

    run(lab_file(tmp_path / "lab.ipynb", first=source))

    assert not still_running(int(left.read_text()))


@pytest.mark.parametrize("counts", [True, False])
def test_run_counts_as_progress_only_when_asked(tmp_path: Path, counts: bool) -> None:
    """What authors run leaves no progress file at all."""
    run(lab_file(tmp_path / "lab.ipynb"), counts=counts)

    assert (tmp_path / "home" / "progress.db").exists() is counts


def test_notebook_is_never_written(tmp_path: Path) -> None:
    """Running leaves the student's file byte for byte as it was."""
    path = lab_file(tmp_path / "lab.ipynb")
    before = path.read_bytes()

    run(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda path: save(path, notebook([code("abc", "1 + 1")])),
        lambda path: save(path, notebook([code("77-1-1-check", "1 + 1")])),
        lambda path: save(path, notebook([])),
    ],
    ids=["foreign", "another-book", "no-cells"],
)
def test_foreign_notebook_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A notebook without exercises of the workbook says so, and what to do."""
    with pytest.raises(NotebookError, match=r"holds no exercise of this workbook.*lab open") as refused:
        run_notebook(make(tmp_path / "other.ipynb"))

    assert "\n" not in str(refused.value)


def still_running(pid: int) -> bool:
    """Wait for a process that was killed to end, and tell whether it did not; a zombie has ended."""
    try:
        process = psutil.Process(pid)
        _, alive = psutil.wait_procs([process], timeout=10)
        return any(one.status() != psutil.STATUS_ZOMBIE for one in alive)
    except psutil.NoSuchProcess:
        return False
