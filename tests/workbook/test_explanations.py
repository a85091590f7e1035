"""Every row of the table against the real error, and the walk through an error's wrappers."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from provocations import (
    PROVOCATIONS,
    Provocation,
    integrity,
    missing_greenlet,
    pool_exhausted,
    run_cell,
    task_cell_not_run,
)
from sqlalchemy.exc import IntegrityError, StatementError

from lab_support.workbook.explanations import KNOWN_ERRORS, explain_error, student_frames
from lab_support.workbook.explanations.chain import error_paths


@pytest.fixture(autouse=True)
def leftovers() -> Iterator[None]:
    """A real MissingGreenlet leaves the driver's coroutine behind; it is collected here, in silence."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def provoked(provocation: Provocation, folder: Path) -> BaseException:
    with pytest.raises((Exception, ExceptionGroup)) as caught:
        asyncio.run(provocation(folder))
    return caught.value


def keys_that_match(error: BaseException) -> set[str]:
    return {
        known.key
        for path in error_paths(error)
        for known in KNOWN_ERRORS
        if known.words(path[-1]) is not None
    }


@pytest.mark.parametrize(
    ("provocation", "key"), PROVOCATIONS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_real_error_finds_its_own_explanation(provocation: Provocation, key: str, tmp_path: Path) -> None:
    """The error that real code raises is explained by its own row, and by no other."""
    error = provoked(provocation, tmp_path)

    explanation = explain_error(error)

    assert explanation is not None
    assert explanation.key == key
    assert keys_that_match(error) == {key}
    assert len(str(explanation).splitlines()) == 2
    assert "{" not in str(explanation)
    assert all(20 < len(line) <= 200 for line in explanation.lines)


def test_every_row_is_provoked() -> None:
    """No row of the table stands there without a real error behind it, and keys are unique."""
    keys = [known.key for known in KNOWN_ERRORS]

    assert set(keys) == set(PROVOCATIONS.values())
    assert len(keys) == len(set(keys)) >= 16


def test_wrapped_error_is_found_in_orig(tmp_path: Path) -> None:
    """MissingGreenlet arrives inside a StatementError, and is the one that is named."""
    error = provoked(missing_greenlet, tmp_path)

    explanation = explain_error(error)

    assert type(error) is StatementError
    assert explanation is not None
    assert type(explanation.error).__name__ == "MissingGreenlet"


def test_cause_context_and_group_are_walked(tmp_path: Path) -> None:
    """A known error is found as the cause, as the context, and inside an exception group."""
    known = provoked(integrity, tmp_path)
    by_cause, by_context = RuntimeError("order not saved"), RuntimeError("order not saved")
    by_cause.__cause__ = known
    by_context.__context__ = known

    for outer in (by_cause, by_context, ExceptionGroup("two tasks", [ValueError("x"), known])):
        explanation = explain_error(outer)
        assert explanation is not None
        assert explanation.key == "integrity"


def test_cycle_of_causes_ends() -> None:
    """Two errors that cause each other are each looked at once."""
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first

    assert explain_error(first) is None
    assert [path[-1] for path in error_paths(first)] == [first, second]


def test_slip_while_handling_is_not_blamed_on_the_first_error(tmp_path: Path) -> None:
    """A typo in an `except` block is a typo, whatever error was being handled."""
    known = provoked(integrity, tmp_path)
    slip = NameError("name 'prnt' is not defined", name="prnt")
    slip.__context__ = known

    assert explain_error(slip) is None


def test_suppressed_context_is_left_alone(tmp_path: Path) -> None:
    """`raise … from None` says that the first error does not matter."""
    known = provoked(integrity, tmp_path)
    translated = RuntimeError("order not saved")
    translated.__context__ = known
    translated.__suppress_context__ = True

    assert explain_error(translated) is None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("database is locked"),
        RuntimeError("nothing known"),
        TimeoutError("a builtin one, not the pool's"),
        AttributeError("'NoneType' object has no attribute 'all'"),
        ModuleNotFoundError("No module named 'pandas'", name="pandas"),
        FileNotFoundError(2, "No such file"),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_unknown_error_has_no_explanation(error: BaseException) -> None:
    """An error that merely resembles a known one is left to Python's own words."""
    assert explain_error(error) is None


def test_message_in_the_data_explains_nothing() -> None:
    """A parameter that reads like an error is not taken for one: the driver's own message counts."""
    error = StatementError("boom", "INSERT", {"note": "A transaction is already begun"}, ValueError("boom"))

    assert explain_error(error) is None


def test_typo_outside_a_check_is_not_an_unrun_cell() -> None:
    """Only a name that a check was to judge, or the workbook's own, points to a cell that did not run."""
    with pytest.raises(NameError) as caught:
        asyncio.run(run_cell("totl = 1\nprint(total)", {}))

    assert explain_error(caught.value) is None


def test_unrun_cell_explanation_names_the_object(tmp_path: Path) -> None:
    """The student reads which name is missing."""
    explanation = explain_error(provoked(task_cell_not_run, tmp_path))

    assert explanation is not None
    assert "`get_session`" in explanation.happened


def test_pool_explanation_tells_its_numbers(tmp_path: Path) -> None:
    """The pool's size, overflow and waiting time are read from the real message."""
    explanation = explain_error(provoked(pool_exhausted, tmp_path))

    assert explanation is not None
    assert "(1 + 0 overflow) stayed in use for 0.05 s" in explanation.happened


def test_integrity_explanation_names_the_constraint_and_no_sql(tmp_path: Path) -> None:
    """The driver's reason is shown; the statement and its parameters are not."""
    error = provoked(integrity, tmp_path)
    explanation = explain_error(error)

    assert isinstance(error, IntegrityError)
    assert explanation is not None
    assert "UNIQUE constraint failed: orders.buyer." in explanation.happened
    assert "INSERT" not in str(explanation)


def test_student_frames_leave_out_every_library(tmp_path: Path) -> None:
    """Of a traceback of dozens of frames only the reader's own files remain, innermost last."""
    error = provoked(missing_greenlet, tmp_path)

    frames = student_frames(error.__traceback__)

    assert {frame.place for frame in frames} == {"provocations.py", "test_explanations.py"}
    assert frames[-1].function == "missing_greenlet"
    assert frames[-1].source == "print(order.buyer)"


def test_leftover_of_a_driver_is_not_blamed_on_the_student() -> None:
    """The driver's own coroutine, left behind by a MissingGreenlet, is no forgotten `await`."""
    assert explain_error(RuntimeWarning("coroutine 'Connection.cursor' was never awaited")) is None
