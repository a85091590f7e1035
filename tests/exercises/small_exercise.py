"""A tiny exercise on which the engine is tested: keep a note."""

from __future__ import annotations

import json

from sqlalchemy import Column, Integer, MetaData, String, Table, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story

metadata = MetaData()
notes = Table("notes", metadata, Column("id", Integer, primary_key=True), Column("word", String(50)))


def keep_a_note(*, limit_s: float = 5.0, on: str = "sqlite") -> Exercise:
    """Declare an exercise with one scenario: `keep(session, word)` stores a row and commits."""
    exercise = Exercise(
        id="99.1.1",
        title="Keep a note",
        task="Store a word.",
        student_writes=("keep",),
        witness="rows",
        hints=("a", "b", "c"),
        misconceptions=(
            Misconception(
                "forgets-to-commit", "You believe that flush keeps rows.", lambda seen: seen.rows == 0
            ),
        ),
        limit_s=limit_s,
    )

    @exercise.act
    async def call(attempt: Attempt, word: str) -> object:
        async with attempt.sessions() as session:
            return json.loads(json.dumps(await attempt.the("keep")(session, word)))

    @exercise.scenario("a word that is kept is in the table", on=on)
    async def is_kept(story: Story) -> None:
        await story.create(metadata)
        word = f"w{story.random.randint(1, 10**6)}"
        await story.ask(call, word=word)
        rows = await story.rows(select(notes.c.word))
        story.saw(rows=len(rows))
        story.equal(rows, [{"word": word}], "The word is not in the table.")

    return exercise
