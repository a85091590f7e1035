"""`lab build --check` names every way in which the parts of the workbook can disagree."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_support.authoring.agreement import check_workbook, file_findings
from lab_support.authoring.declarations import declaration_findings
from lab_support.authoring.notebook_runs import finding_about_blank, finding_about_reference
from lab_support.authoring.stored_answers import StoredAnswer, finding_about, stored_answers
from lab_support.exercises import find, load_all
from lab_support.grading.records import VerdictRecord
from tests.support.lab_files import ROOT, code, notebook, save

STEM = "13_01_sqlalchemy_orm"
ANSWERS = Path("tests") / "misconceptions" / STEM / "13_1_4"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """Give a copy of the workbook's notebooks and stored answers."""
    for folder in ("solutions", "labs", "tests/misconceptions"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def edit(path: Path, change: Change) -> None:
    """Change a notebook."""
    content = json.loads(path.read_text("utf-8"))
    change(content)
    save(path, content)


def cell(content: dict[str, Any], cell_id: str) -> dict[str, Any]:
    """Return a cell by id."""
    return next(one for one in content["cells"] if one["id"] == cell_id)


def lines_about(findings: Any) -> list[str]:
    """Return the findings as lines; none has a line break."""
    lines = [str(finding) for finding in findings]
    assert all("\n" not in line for line in lines)
    return lines


def test_workbook_as_it_is_has_no_findings_without_running_it(workbook: Path) -> None:
    """The files of 13.1 agree with each other."""
    assert lines_about(file_findings(workbook)) == []
    assert lines_about(declaration_findings(workbook, find("13.1.4"))) == []


SOLUTION_FAULTS: dict[str, tuple[Change, str]] = {
    "no id": (lambda nb: nb["cells"][3].pop("id"), "a cell has no id"),
    "the same id twice": (lambda nb: nb["cells"].append(nb["cells"][1]), "2 cells have the id 13-1-start"),
    "a long cell": (
        lambda nb: cell(nb, "13-1-start").update(source="x = 1\n" * 16),
        "16 lines of code; 15 is the most",
    ),
    "widget state": (lambda nb: nb["metadata"].update(widgets={}), "saved state of widgets"),
    "a count": (lambda nb: cell(nb, "13-1-start").update(execution_count=3), "outputs or execution counts"),
    "an unclosed marker": (
        lambda nb: cell(nb, "13-1-start").update(source="### BEGIN SOLUTION"),
        "never ended",
    ),
    "a marker in prose": (
        lambda nb: cell(nb, "13-1-title").update(source="### END SOLUTION"),
        "outside code",
    ),
    "an unknown exercise": (lambda nb: cell(nb, "13-1-title").update(source="See 13.1.99."), "names 13.1.99"),
    "an unknown exercise's cell": (
        lambda nb: nb["cells"].append(code("13-1-77-check", "1")),
        "names 13.1.77",
    ),
    "a cell of no kind": (
        lambda nb: cell(nb, "13-1-title").update(cell_type="prose"),
        "breaks Jupyter's own rules",
    ),
    "a changed task": (
        lambda nb: cell(nb, "13-1-title").update(source="Changed."),
        "differs from its solution",
    ),
}


@pytest.mark.parametrize(("change", "said"), SOLUTION_FAULTS.values(), ids=SOLUTION_FAULTS)
def test_fault_in_a_solutions_file_is_one_line(workbook: Path, change: Change, said: str) -> None:
    """The line names the file, and the cell where there is one."""
    edit(workbook / "solutions" / f"{STEM}.ipynb", change)

    found = [line for line in lines_about(file_findings(workbook)) if said in line]

    assert found
    assert STEM in found[0]


def test_lesson_is_held_to_the_same_rules(workbook: Path) -> None:
    """Long cells, unknown exercises and widgets are found in notebooks/ too."""
    widget = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"application/vnd.jupyter.widget-view+json": {}},
    }
    cells = [
        {**code("13-1-a", "x = 1\n" * 16), "outputs": [widget], "execution_count": 1},
        code("13-1-b", "hint('13.1.42')"),
    ]
    save(workbook / "notebooks" / "lesson.ipynb", notebook(cells))

    lines = lines_about(file_findings(workbook))

    assert len(lines) == 3
    assert all("notebooks/lesson.ipynb" in line for line in lines)


def test_version_numbers_are_not_taken_for_exercises(workbook: Path) -> None:
    """PostgreSQL 13.1.0.2 and 213.1.2 name no exercise."""
    save(
        workbook / "notebooks" / "lesson.ipynb", notebook([code("13-1-a", "# 213.1.99, 13.1.0.2, 1.13.1.99")])
    )

    assert lines_about(file_findings(workbook)) == []


def test_unreadable_stale_and_missing_labs_are_found(workbook: Path) -> None:
    """A lab without a solution, a solution without a lab and a broken file each have a line."""
    (workbook / "labs" / f"{STEM}.ipynb").rename(workbook / "labs" / "stale.ipynb")
    (workbook / "notebooks").mkdir()
    (workbook / "notebooks" / "broken.ipynb").write_text("{")

    lines = lines_about(file_findings(workbook))

    assert [line.partition(":")[0] for line in lines] == [
        f"labs/{STEM}.ipynb",
        "notebooks/broken.ipynb",
        "labs/stale.ipynb",
    ]


def test_exercise_without_hints_scenarios_or_answers_is_incomplete(workbook: Path) -> None:
    """Three hints, a scenario, two traps and a right variant are due, and each line says which file to add."""
    shutil.rmtree(workbook / ANSWERS)
    bare = dataclasses.replace(find("13.1.4"), hints=("one",), scenarios=[])

    lines = lines_about(declaration_findings(workbook, bare))

    for said in ("1 hints", "no scenario", "0 trap(s)", "no right variant", "trap_lazy_loop.py"):
        assert any(said in line and line.startswith("13.1.4") for line in lines), said


def test_trap_that_is_no_misconception_is_found(workbook: Path) -> None:
    """A file's name has to be that of a declared misconception."""
    (workbook / ANSWERS / "trap_lazy_loop.py").rename(workbook / ANSWERS / "trap_lazy_lop.py")

    lines = lines_about(declaration_findings(workbook, find("13.1.4")))

    assert any("no trap shows lazy-loop" in line for line in lines)
    assert any("the trap lazy-lop is no misconception" in line for line in lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda nb: nb["cells"].remove(cell(nb, "13-1-4-check")), "has no cell 13-1-4-check"),
        (lambda nb: nb["cells"].remove(cell(nb, "13-1-4-work")), "has no cell 13-1-4-work"),
        (lambda nb: cell(nb, "13-1-4-work").update(source="x = 1"), "marks no solution"),
        (lambda nb: cell(nb, "13-1-4-check").update(source="check('13.1.4')"), "does not check it"),
        (lambda nb: nb.update(nbformat_minor=4), "cannot be read"),
    ],
    ids=["no check", "no work", "no solution", "no call", "old format"],
)
def test_exercise_without_its_cells_is_found(workbook: Path, change: Change, said: str) -> None:
    """Every exercise has a task, a work and a check cell in the solution, and a marked solution."""
    edit(workbook / "solutions" / f"{STEM}.ipynb", change)

    lines = lines_about(declaration_findings(workbook, find("13.1.4")))

    assert any(said in line and line.startswith("13.1.4") for line in lines)


def right_answer() -> str:
    """Return the source of a right answer to 13.1.4."""
    answer = next(one for one in stored_answers(ROOT, find("13.1.4")) if one.kind == "right")
    assert answer.path is not None
    return answer.path.read_text("utf-8")


@pytest.mark.parametrize(
    ("kind", "name", "source", "said"),
    [
        ("trap", "lazy-loop", right_answer(), "the trap answer.py passes"),
        ("trap", "lazy-loop", "orders_of = ...", "counts as not attempted"),
        ("trap", "lazy-loop", "async def orders_of(session, email):\n    return []", "explained by"),
        ("trap", "lazy-loop", "def orders_of(:", "SyntaxError"),
        ("trap", "lazy-loop", "somebody_else = 1", "does not define 'orders_of'"),
        (
            "right",
            "variant",
            "async def orders_of(session, email):\n    return []",
            "the right answer answer.py is failed",
        ),
    ],
    ids=["passes", "blank", "another cause", "syntax", "no name", "wrong variant"],
)
def test_stored_answer_that_proves_nothing_is_found(
    tmp_path: Path, kind: Any, name: str, source: str, said: str
) -> None:
    """A trap that passes, is blank or shows something else, and a variant that fails, each have a line."""
    path = tmp_path / "answer.py"
    path.write_text(source, "utf-8")

    finding = finding_about(StoredAnswer("13.1.4", kind, name, path))

    assert finding is not None
    assert said in str(finding)


def test_exercise_that_doing_nothing_passes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scenarios that ask for something, doing nothing would pass; the finding says what to add."""
    exercise = find("13.1.4")
    calm = dataclasses.replace(exercise, scenarios=[], acts=dict(exercise.acts))

    @calm.scenario("anything goes")
    async def anything(_story: object) -> None:
        return None

    monkeypatch.setattr("lab_support.authoring.stored_answers.find", lambda _: calm)

    finding = finding_about(StoredAnswer("13.1.4", "nothing", "does-nothing"))

    assert finding is not None
    assert "does nothing passes" in str(finding)


def test_reference_and_blank_are_held_to_their_states() -> None:
    """A reference that fails and a blank that does not say "not attempted" are findings; the right states are none."""

    def record(state: str) -> VerdictRecord:
        return VerdictRecord("13.1.4", "Orders", state, "why")

    assert finding_about_reference(record("passed")) is None
    assert finding_about_blank(record("not attempted")) is None
    assert "reference solution is failed" in str(finding_about_reference(record("failed")))
    assert "instead of not attempted" in str(finding_about_blank(record("error in your code")))
    assert "instead of not attempted" in str(finding_about_blank(record("check cell missing")))


def test_findings_of_code_that_ran_come_from_several_processes_with_a_count(tmp_path: Path) -> None:
    """A trap that passes is found among jobs done elsewhere, and the count of jobs ends at their number."""
    trap = tmp_path / ANSWERS / "trap_lazy_loop.py"
    trap.parent.mkdir(parents=True)
    trap.write_text(right_answer(), "utf-8")
    told: list[tuple[int, int]] = []

    lines = lines_about(check_workbook(tmp_path, lambda done, of: told.append((done, of))))

    assert "the trap trap_lazy_loop.py passes" in lines[-1]
    assert told[-1] == (len(load_all()) + 1, len(load_all()) + 1)
