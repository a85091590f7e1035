"""What a check says in a cell: the card, the next step, and misuse in one line."""

from __future__ import annotations

import asyncio
import json
import warnings

import pytest

from lab_support.exercises import State, find, judge
from lab_support.workbook import (
    CheckFailed,
    CheckMisusedError,
    check,
    checking,
    hint,
    hints,
    progress,
    solution,
)
from lab_support.workbook import progress as progress_module
from lab_support.workbook.cards import card
from lab_support.workbook.progress_store import ProgressStore


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch) -> ProgressStore:
    kept = ProgressStore(tmp_path / "progress.db")
    monkeypatch.setattr(checking, "default_store", lambda: kept)
    monkeypatch.setattr(hints, "default_store", lambda: kept)
    return kept


async def right_search(session, term):
    from sqlalchemy import select

    from lab_support.services.store.entities import Product

    return list(await session.scalars(select(Product).where(Product.name.icontains(term, autoescape=True))))


async def wrong_search(session, term):
    from sqlalchemy import select

    from lab_support.services.store.entities import Product

    return list(await session.scalars(select(Product).where(Product.name.ilike(f"%{term}%"))))


def run_check(search):
    async def cell():
        return await check("13.1.5", search)

    return asyncio.run(cell())


def test_passed_check_prints_its_cost(capsys, store):
    """One line: what passed, statements, commits, milliseconds."""
    run_check(right_search)

    line = capsys.readouterr().out.strip()
    assert line.startswith("✓ 13.1.5 A safe search — passed: 3 scenarios")
    assert "11 statements" in line
    assert line.endswith(" ms")
    assert store.passed("13.1.5")


def test_failed_check_is_one_exception_with_the_card(store):
    """The card has call, expected, observed, the likely cause, a timeline and the next step."""
    with pytest.raises(CheckFailed) as failed:
        run_check(wrong_search)

    text = str(failed.value)
    for part in (
        "Asked",
        "search_products(session, '%')",
        "Expected",
        "Observed",
        "Likely",
        "BEGIN",
        'hint("13.1.5")',
    ):
        assert part in text
    assert "Traceback" not in text
    assert "site-packages" not in text
    assert not store.passed("13.1.5")


def test_notebook_card_is_the_same_text_with_weight():
    """What IPython shows differs from the plain card in ANSI codes only."""
    import re

    with pytest.raises(CheckFailed) as failed:
        run_check(wrong_search)

    shown = "\n".join(failed.value._render_traceback_())
    assert re.sub(r"\x1b\[\d+m", "", shown) == str(failed.value)


def test_blank_is_not_attempted_and_names_its_id():
    """A blank says so, without a traceback or a blame."""
    text = card(judge(find("13.1.5"), {"search_products": ...}))

    assert text.startswith("○ 13.1.5 A safe search — not attempted")
    assert "Likely" not in text


@pytest.mark.parametrize("objects", [(), (1, 2)])
def test_wrong_number_of_objects_says_how_to_call(objects):
    """The error shows the call to make."""
    with pytest.raises(CheckMisusedError, match=r'await check\("13\.1\.5", search_products\)'):
        check("13.1.5", *objects)


@pytest.mark.parametrize("exercise_id", ["13.1.99", "14.1", "", "x.y.z", None, 13.1, "13.1"])
def test_unknown_exercise_lists_those_there_are(exercise_id):
    """A typo is answered with the ids that exist."""
    with pytest.raises(CheckMisusedError, match=r"13\.1"):
        check(exercise_id, right_search)


def test_check_without_await_says_so():
    """The object that was not awaited explains itself, and warns when it is dropped."""
    pending = check("13.1.5", right_search)

    assert "put `await` in front" in repr(pending)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del pending
    assert "await" in str(caught[0].message)


def test_verdict_reaches_the_ledger(tmp_path, monkeypatch):
    """nbval and `lab check` read one JSON line per check really run."""
    monkeypatch.setenv("LAB_CHECK_LEDGER", str(tmp_path / "ledger"))
    with pytest.raises(CheckFailed):
        run_check(wrong_search)
    run_check(right_search)

    states = [json.loads(line)["state"] for line in (tmp_path / "ledger").read_text().splitlines()]
    assert states == [State.FAILED, State.PASSED]


def test_hints_come_one_by_one_and_the_last_stays():
    """Three stages, recorded; a fourth question gets the third hint again."""
    told = [hint("13.1.5") for _ in range(4)]

    assert [text.split(" for")[0] for text in told] == [
        "Hint 1 of 3",
        "Hint 2 of 3",
        "Hint 3 of 3",
        "Hint 3 of 3",
    ]


def test_solution_waits_for_a_pass_or_a_give_up(store):
    """It is shown after a pass, or after an explicit give-up, which is recorded."""
    with pytest.raises(CheckMisusedError, match="give_up=True"):
        solution("13.1.5")

    text = solution("13.1.5", give_up=True)

    assert "icontains" in text
    assert "SOLUTION" not in text
    assert store.gave_up("13.1.5")
    assert solution("13.1.5") == text


def test_progress_reports_every_exercise(store):
    """The report has all exercises of the section and the best state of each."""
    run_check(right_search)
    with pytest.raises(CheckFailed):
        run_check(wrong_search)

    report = progress("13.1", store=store).as_dict()

    states = {line["id"]: line["state"] for line in report["sections"][0]["exercises"]}
    assert len(states) == 6
    assert states["13.1.5"] == "passed"
    assert states["13.1.1"] == "not attempted"
    assert progress_module is progress


def test_authors_run_leaves_the_progress_alone(monkeypatch, store):
    """With LAB_PROGRESS=off a check is judged and not counted."""
    monkeypatch.setenv("LAB_PROGRESS", "off")

    run_check(right_search)

    assert not store.passed("13.1.5")
