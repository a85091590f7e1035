"""Fresh processes: nothing of the parent's main script, nothing left behind, clear errors."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from lab_support.exercises import State, find, judge
from lab_support.exercises.fresh_process import FreshProcess, FreshProcessError

OVERRIDE = find("13.1.6")


def judged(a_test):
    return judge(OVERRIDE, {"a_test": a_test})


def test_student_that_kills_its_process_gets_a_sentence():
    """A test that ends its process is an error of the student's code, said in one line."""

    async def a_test(app):
        os._exit(0)

    verdict = judged(a_test)

    assert verdict.state is State.ERROR
    assert "ended before" in verdict.decisive.message


def test_object_that_cannot_travel_is_told_what_to_do():
    """A lock from another cell cannot enter a fresh process."""
    lock = threading.Lock()

    async def a_test(app):
        with lock:
            assert app

    verdict = judged(a_test)

    assert verdict.state is State.ERROR
    assert "inside your function" in verdict.decisive.message


def test_starter_is_not_attempted_in_a_fresh_process_too():
    """NotImplementedError crosses the border as what it is."""

    async def a_test(app):
        raise NotImplementedError

    assert judged(a_test).state is State.NOT_ATTEMPTED


def test_process_does_not_know_the_main_script(tmp_path):
    """The child's `__main__` is not the parent's, so hidden checks of a main script cannot be read."""

    async def a_test(app):
        import sys

        raise AssertionError(getattr(sys.modules["__main__"], "__file__", "no main script"))

    assert "no main script" in judged(a_test).decisive.observed


def test_killed_process_is_noticed(tmp_path):
    """A child that is killed from outside ends the question instead of hanging it."""

    async def a_test(app):
        await asyncio.Event().wait()

    async def ask():
        with FreshProcess(
            "13.1.6", "run_test", {"a_test": a_test}, f"sqlite+aiosqlite:///{tmp_path}/a.db", tmp_path
        ) as one:
            asking = asyncio.create_task(one.ask({"fault": ""}))
            await asyncio.sleep(0)
            os.kill(one._process.pid, signal.SIGKILL)
            await asking

    with pytest.raises(FreshProcessError):
        asyncio.run(ask())


def test_mutants_are_met_in_a_random_order_that_the_seed_fixes():
    """Two seeds meet the broken applications in different orders."""

    def order(seed):
        import random

        from lab_support.exercises.s13_01.e6_override import BROKEN

        return random.Random(seed).sample(BROKEN, len(BROKEN))

    assert len({tuple(order(seed)) for seed in range(20)}) > 3
