"""The engine that judges: states, limits, isolation, and what hostile code cannot do."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from lab_support.exercises import State, Verdict, judge
from tests.exercises.small_exercise import keep_a_note, notes


async def keep_well(session, word):
    await session.execute(insert(notes).values(word=word))
    await session.commit()


def judged(keep, **limits) -> Verdict:
    return judge(keep_a_note(**limits), {"keep": keep})


def test_right_work_passes_and_its_cost_is_counted():
    """One INSERT and one COMMIT of the student's are counted; the judge's own statements are not."""
    verdict = judged(keep_well)

    assert verdict.state is State.PASSED
    assert (verdict.cost.statements, verdict.cost.commits) == (1, 1)


def test_work_that_does_nothing_fails():
    """Doing nothing never passes."""

    async def keep(session, word):
        return None

    assert judged(keep).state is State.FAILED


def test_a_known_misconception_is_named():
    """The likely cause is the one whose predicate holds for what was seen."""

    async def keep(session, word):
        await session.execute(insert(notes).values(word=word))

    verdict = judged(keep)

    assert [cause.name for cause in verdict.causes] == ["forgets-to-commit"]
    assert verdict.decisive.expected != verdict.decisive.observed
    assert [event["kind"] for event in verdict.decisive.timeline] == ["BEGIN", "SQL", "ROLLBACK"]


@pytest.mark.parametrize("starter", [..., "raises"])
def test_a_starter_is_not_attempted(starter):
    """Both forms of starter, `...` and `raise NotImplementedError`, are called not attempted."""

    async def raises(session, word):
        raise NotImplementedError

    verdict = judged(raises if starter == "raises" else ...)

    assert verdict.state is State.NOT_ATTEMPTED
    assert "99.1.1" in verdict.decisive.message


def test_a_not_implemented_error_of_a_library_is_an_error():
    """Only the student's own NotImplementedError means that nothing was attempted."""

    async def keep(session, word):
        await asyncio.get_running_loop().sock_sendfile(None, None)

    assert judged(keep).state is State.ERROR


def test_an_error_shows_the_students_own_line():
    """The card has the student's frame, not the library's."""

    async def keep(session, word):
        await session.execute(text("SELECT nothing_like_this"))

    case = judged(keep).decisive

    assert case.state is State.ERROR
    assert case.frame.source == 'await session.execute(text("SELECT nothing_like_this"))'
    assert "SELECT" not in case.message


@pytest.mark.parametrize(
    "ending", [SystemExit(3), KeyboardInterrupt(), BaseException("rude"), GeneratorExit()]
)
def test_code_that_raises_base_exceptions_is_an_error(ending):
    """sys.exit and its like end the student's code, and nothing else."""

    async def keep(session, word):
        raise ending

    assert judged(keep).state is State.ERROR


def test_a_task_that_exits_is_an_error():
    """SystemExit in a task of the student's own stops the private loop and becomes a verdict."""

    async def keep(session, word):
        async def leave():
            sys.exit(1)

        await asyncio.gather(asyncio.create_task(leave()))

    assert judged(keep).state is State.ERROR


@pytest.mark.parametrize("swallow", [False, True])
def test_an_endless_loop_is_stopped(swallow):
    """`while True` is stopped even where it swallows every exception once."""

    async def keep(session, word):
        if swallow:
            try:
                while True:
                    pass
            except BaseException:
                pass
        while True:
            pass

    verdict = judged(keep, limit_s=0.3)

    assert verdict.state is State.TIMED_OUT
    assert verdict.decisive.frame.function == "keep"


def test_a_blocking_sleep_is_stopped():
    """time.sleep holds the loop; the alarm ends it."""

    async def keep(session, word):
        time.sleep(60)

    assert judged(keep, limit_s=0.3).state is State.TIMED_OUT


def test_waiting_for_nothing_is_stopped():
    """An await that never ends is stopped like a loop."""

    async def keep(session, word):
        await asyncio.Event().wait()

    assert judged(keep, limit_s=0.3).state is State.TIMED_OUT


def test_an_endless_loop_is_stopped_outside_the_main_thread():
    """Where no signal can be used, an exception set on the thread stops the code."""

    async def keep(session, word):
        while True:
            pass

    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(judged(keep, limit_s=0.3)))
    thread.start()
    thread.join(20)

    assert [verdict.state for verdict in verdicts] == [State.TIMED_OUT]


def test_a_running_sqlite_query_is_really_stopped():
    """After the limit, SQLite's thread works no more: the process uses no processor time."""

    async def keep(session, word):
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        await session.execute(text(endless))

    assert judged(keep, limit_s=0.5).state is State.TIMED_OUT
    alive = [
        thread for thread in threading.enumerate() if "aiosqlite" in repr(getattr(thread, "_target", ""))
    ]
    for thread in alive:
        thread.join(5)
    assert not any(thread.is_alive() for thread in alive)


def test_printing_100_megabytes_is_cut():
    """Only the first characters are kept, and nothing reaches the notebook."""

    async def keep(session, word):
        for _ in range(100):
            print("x" * 1_000_000)
        await keep_well(session, word)

    shown = io.StringIO()
    with redirect_stdout(shown):
        verdict = judged(keep)

    assert verdict.passed
    assert len(verdict.printed) < 5_000
    assert "more characters" in verdict.printed
    assert shown.getvalue() == ""


def test_code_that_stops_the_loop_harms_only_its_own():
    """The notebook's loop, which is running while the check is, survives."""

    async def keep(session, word):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        await keep_well(session, word)

    async def notebook():
        verdict = judged(keep)
        await asyncio.sleep(0)
        return verdict

    assert asyncio.run(notebook()).state in (State.ERROR, State.PASSED)


def test_code_that_closes_the_loop_is_an_error():
    """Closing a running loop raises in the student's code; the notebook goes on."""

    async def keep(session, word):
        asyncio.get_running_loop().close()

    async def notebook():
        return judged(keep).state

    assert asyncio.run(notebook()) is State.ERROR


def test_tasks_left_running_are_ended():
    """A task that the student's code forgot does not outlive the check."""
    left = []

    async def keep(session, word):
        left.append(asyncio.create_task(asyncio.Event().wait()))
        await keep_well(session, word)

    assert judged(keep).passed
    assert left[0].done()


def test_each_run_has_a_private_folder_that_is_deleted():
    """The database file is in a folder of the run's own, gone afterwards."""
    places = []

    async def keep(session, word):
        places.append(session.bind.url.database)
        await keep_well(session, word)

    assert judged(keep).passed
    assert judged(keep).passed
    assert len(set(places)) == 2
    assert not any(Path(place).parent.exists() for place in places)


def test_the_same_seed_draws_the_same_and_another_draws_others():
    """Ids and words are fixed by the seed alone."""
    words = []

    async def keep(session, word):
        words.append(word)
        await keep_well(session, word)

    for seed in (1, 1, 2):
        judge(keep_a_note(), {"keep": keep}, seed=seed)

    assert words[0] == words[1] != words[2]


def test_a_forgotten_await_is_told():
    """Python's own warning about a coroutine that was never awaited is kept for the card."""

    async def keep(session, word):
        await session.execute(insert(notes).values(word=word))
        session.commit()

    assert "AsyncSession.commit' was never awaited" in judged(keep).printed


@pytest.mark.postgres
def test_a_running_postgresql_query_is_really_stopped():
    """The scratch database can be dropped, so no backend is left in it."""

    async def keep(session, word):
        await session.execute(text("SELECT pg_sleep(60)"))

    began = time.monotonic()
    verdict = judged(keep, limit_s=1.0, on="postgresql")

    assert verdict.state is State.TIMED_OUT
    assert time.monotonic() - began < 30


def test_a_check_leaves_no_process_behind():
    """After an exercise with fresh processes, nothing but the fork server is left, and it ends with its owner."""
    script = (
        "from lab_support.exercises import find, judge\n"
        "import multiprocessing\n"
        "async def a_test(app): pass\n"
        "print(judge(find('13.1.6'), {'a_test': a_test}).state)\n"
        "print(multiprocessing.active_children())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert done.stdout.split("\n")[:2] == ["failed", "[]"], done.stderr
