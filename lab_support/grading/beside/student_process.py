"""The process in which a student's cells run and which answers what the judge asks; it knows no verdict.

Section:
    All sections; class grading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from typing import Any

from lab_support.exercises.attempt import Attempt, attempt_on
from lab_support.exercises.channel import perform
from lab_support.exercises.model import Exercise, Load
from lab_support.exercises.output import BoundedOutput
from lab_support.exercises.own_loop import TimeIsUp, run_on_own_loop
from lab_support.exercises.registry import find
from lab_support.exercises.rival import Meeting, interrupted
from lab_support.grading.beside.json_lines import JsonLines, LinkError

Run = Callable[[str], str | None]
"""Runs one cell; gives its error in one line, or None."""


def serve(link: JsonLines, run: Run, names: Mapping[str, Any]) -> None:
    """Do what the judge says until it hangs up.

    Args:
        link: To the judge.
        run: Runs the source of one cell.
        names: The names that the cells have defined, as they are at each moment.
    """
    while (order := _next(link)) is not None:
        match order.get("do"):
            case "cells":
                _say(link, {"is": "ran", "errors": _run_all(run, order["cells"])})
            case "which":
                there = [name for name in order["names"] if names.get(name, ...) is not ...]
                _say(link, {"is": "which", "names": there})
            case "check":
                _check(link, order, names)


def _run_all(run: Run, cells: Mapping[str, str]) -> dict[str, str]:
    ended = {name: run(source) for name, source in cells.items()}
    return {name: error for name, error in ended.items() if error is not None}


def _check(link: JsonLines, order: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    """Answer the questions of one check on a loop of its own, as in a notebook."""
    with redirect_stdout(BoundedOutput()), redirect_stderr(BoundedOutput()):
        try:
            run_on_own_loop(_answer_all(link, names), limit_s=order["limit_s"], cut=lambda: None)
        except TimeIsUp:
            _say(link, {"is": "time up"})


async def _answer_all(link: JsonLines, names: Mapping[str, Any]) -> None:
    await link.send({"is": "ready"})
    while (order := await link.receive())["do"] != "end":
        exercise, place = find(order["exercise"]), order["place"]
        objects = {name: names[name] for name in exercise.student_writes}
        load = Load(**place["load"])
        async with attempt_on(
            place["url"], objects, load, place["documents_socket_url"] or place["documents_url"]
        ) as attempt:
            await link.send({"is": "open"})
            await _answer_one(link, exercise, attempt)
        await link.send({"is": "closed"})
    await link.send({"is": "ended"})


async def _answer_one(link: JsonLines, exercise: Exercise, attempt: Attempt) -> None:
    async def call_the_rival() -> None:
        await link.send({"is": "rival"})
        await link.receive()

    while (asked := await link.receive())["do"] == "call":
        meeting = Meeting(asked["rival"], call_the_rival) if asked["rival"] else None
        with interrupted(attempt.engine, meeting):
            answer = await perform(exercise.acts[asked["act"]], attempt, asked["inputs"])
        await link.send({"is": "answer", "answer": asdict(answer)})


def _next(link: JsonLines) -> dict[str, Any] | None:
    try:
        return asyncio.run(link.receive())
    except LinkError:
        return None


def _say(link: JsonLines, line: Mapping[str, Any]) -> None:
    asyncio.run(link.send(line))
