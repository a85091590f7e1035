"""Stories about documents: a fresh database on one embedded server, read by the judge's own client."""

from __future__ import annotations

import time

import pytest
from bson import Decimal128

from lab_support.exercises import Exercise, Misconception, State, Verdict, judge
from lab_support.exercises.fresh_process import FreshProcess
from lab_support.exercises.story import Story


def keep_a_word(on: str = "mongodb", scenarios: int = 1) -> Exercise:
    """Declare an exercise: `keep(notes, word)` stores `{"word": word}`."""
    exercise = Exercise(
        id="99.1.2",
        title="Keep a word",
        task="Store a document.",
        student_writes=("keep",),
        witness="rows",
        hints=("a", "b", "c"),
        misconceptions=(Misconception("keeps-nothing", "You do nothing.", lambda seen: seen.kept == 0),),
        limit_s=3.0,
    )

    @exercise.act
    async def call(attempt, word: str) -> None:
        await attempt.the("keep")(attempt.documents["notes"], word)

    async def is_kept(story: Story) -> None:
        notes = story.documents["notes"]
        assert notes.count_documents({}) == 0
        notes.create_index("word", unique=True)
        word = f"w{story.random.randint(1, 10**6)}"
        await story.ask(call, word=word)
        found = [document["word"] for document in notes.find()]
        story.saw(kept=len(found))
        story.equal(found, [word], "The word is not in the collection.")
        notes.insert_one({"word": "the shop's"})

    for number in range(scenarios):
        exercise.scenario(f"a word that is kept is in the collection ({number})", on=on)(is_kept)
    return exercise


def judged(keep, **how) -> Verdict:
    return judge(keep_a_word(**how), {"keep": keep})


async def keep_well(notes, word):
    await notes.insert_one({"word": word, "price": Decimal128("1.10")})


def test_right_work_passes_on_a_fresh_database_each_time():
    """Every story begins with an empty database, and the card names the engine."""
    verdict = judged(keep_well, scenarios=3)

    assert verdict.passed
    assert {case.engine for case in verdict.cases} == {"mongodb"}


def test_databases_of_ended_stories_are_gone():
    """Nothing of a check is left on the server."""
    from lab_support.exercises.document_store import fresh_documents

    judged(keep_well)
    with fresh_documents() as documents:
        names = documents.database.client.list_database_names()

    assert [name for name in names if name.startswith("check_")] == []


def test_known_misconception_is_named():
    """What the judge reads from the collection decides."""

    async def keep(notes, word):
        return None

    assert [cause.name for cause in judged(keep).causes] == ["keeps-nothing"]


def test_student_gets_the_driver_itself():
    """It is Motor's collection, of the database that the judge reads."""
    given = []

    async def keep(notes, word):
        given.append(type(notes).__name__)
        await keep_well(notes, word)

    assert judged(keep).passed
    assert given == ["AsyncIOMotorCollection"]


def test_error_of_the_driver_is_the_students():
    """An error that the student's operation raises ends the story as an error, with its text."""

    async def keep(notes, word):
        await notes.update_one({}, {"$nonsense": {"word": word}}, upsert=True)

    verdict = judged(keep)

    assert verdict.state is State.ERROR
    assert "nonsense" in verdict.decisive.message


def test_collection_that_refuses_the_judge_is_a_failed_case():
    """Where the student's index or validator refuses what the shop does, that is said."""

    async def keep(notes, word):
        await keep_well(notes, word)
        await notes.database.command("collMod", "notes", validator={"price": {"$exists": True}})

    verdict = judged(keep)

    assert verdict.state is State.FAILED
    assert "does not take what the shop does" in verdict.decisive.message


def test_commands_are_counted_and_shown():
    """A card tells what was sent to the server, and what it refused, without passwords."""

    async def keep(notes, word):
        await notes.insert_one({"word": word, "password": "open sesame"})
        await notes.find({"word": word}).to_list(5)
        await notes.update_one({}, {"$nonsense": {}})

    verdict = judged(keep)
    sent = [event["sql"] for event in verdict.decisive.timeline]

    assert verdict.cost.statements == 3
    assert [line.split()[:2] for line in sent] == [
        ["insert", "notes"],
        ["find", "notes"],
        ["update", "notes"],
    ]
    assert "password: ***" in sent[0]
    assert "sesame" not in sent[0]
    assert "nonsense" in verdict.decisive.timeline[-1]["error"]


def test_fresh_process_sees_the_same_documents():
    """An act in a process of its own reaches the story's database, and nothing of the judge's client."""
    exercise = keep_a_word()
    del exercise.scenarios[:]
    exercise.limit_s = 30.0  # a new process imports everything anew

    @exercise.scenario("from another process", on="mongodb")
    async def is_kept(story: Story) -> None:
        channel = story.channel
        beside = f"sqlite+aiosqlite:///{channel._folder / 'beside.db'}"
        with FreshProcess(
            "13.7.4", "take_at_once", {"ProductRepository": Repository}, beside, channel._folder,
            documents_url=channel._attempt.documents_url,
        ) as process:  # fmt: skip
            answer = await process.ask({"id_": "0" * 24, "quantities": [7]})
        assert answer["error"] is None
        assert answer["value"] == [True]
        assert [one["taken"] for one in story.documents["products"].find()] == [7]

    assert judge(exercise, {"keep": keep_well}).passed


class Repository:
    """Writes down what was taken."""

    def __init__(self, products):
        self.products = products

    async def take(self, id_, quantity):
        return (await self.products.insert_one({"_id": id_, "taken": quantity})).acknowledged


def test_story_without_documents_says_so():
    """A scenario that forgot `on="mongodb"` is told how to get documents."""
    with pytest.raises(RuntimeError, match='on="mongodb"'):
        judged(keep_well, on="sqlite")


def test_endless_loop_beside_the_server_is_stopped():
    """The time limit holds, and the next check finds the server well."""
    exercise = keep_a_word()
    exercise.limit_s = 0.5

    async def keep(notes, word):
        await notes.find_one({})
        while True:
            time.sleep(0.01)

    assert judge(exercise, {"keep": keep}).state is State.TIMED_OUT
    assert judged(keep_well).passed
