"""13.8.3: a live collection tightened, judged by the writes of a shop that goes on meanwhile."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from lab_support.documents.validators import DOCUMENT_INVALID
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_08.compared import differences
from lab_support.exercises.s13_08.users import address_of, load_rules
from lab_support.exercises.story import Story

if TYPE_CHECKING:
    from lab_support.exercises.s13_08.users import Document

CONTACT_SCHEMA: dict[str, Any] = {
    "bsonType": "object",
    "required": ["email", "visits"],
    "properties": {
        "email": {"bsonType": "string", "pattern": r"^[^@\s]+@[^@\s]+$"},
        "visits": {"bsonType": ["int", "long"], "minimum": 0},
        "age": {"bsonType": ["int", "long"], "minimum": 0},
    },
}
"""The rules that are to hold in the end. It is given to the student."""

tighten = Exercise(
    id="13.8.3",
    title="Tighten a live collection",
    task="Give rules to a collection that is in use and full of documents that break them.",
    student_writes=("begin", "mend", "finish"),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Three questions. What happens to a customer with an old document who visits the shop while you are mending? "
        "May anybody write a new wrong one meanwhile? And what do the rules refuse when you are done?",
        '`collMod` gives rules to a collection that is there. `validationLevel: "moderate"` leaves those alone that '
        'break them already; `"strict"` nobody. `validationAction: "warn"` refuses nothing. '
        '`{"$nor": [{"$jsonSchema": SCHEMA}]}` finds what breaks them.',
        'await database.command({"collMod": "contacts", "validator": {"$jsonSchema": CONTACT_SCHEMA},\n'
        '    "validationLevel": "moderate", "validationAction": "error"})\n'
        "# mend: async for contact in contacts.find({'$nor': [{'$jsonSchema': CONTACT_SCHEMA}]}): update_one …\n"
        "# finish: count what is left; if nothing, the same collMod with 'strict'",
    ),
    misconceptions=(
        Misconception(
            "strict-blocks-legacy",
            "You believe that rules concern new documents only. Under `strict` every change of an old document is held "
            "to them, and customers who did nothing wrong are refused: begin with `moderate`.",
            lambda seen: seen.legacy_blocked,
        ),
        Misconception(
            "warn-forever",
            "You believe that a warning is read. It stands in the server's log, the wrong document in the collection, "
            "and you are never done: the action has to be `error`.",
            lambda seen: seen.let_in and seen.action == "warn",
        ),
    ),
)


@tighten.act
async def do(attempt: Attempt, steps: list[str]) -> Any:
    """Call the student's functions in this order; return what the last one returned."""
    given = None
    for step in steps:
        given = await attempt.the(step)(attempt.documents)
    return given if given is None or isinstance(given, int) else type(given).__name__


def _good(draw: random.Random) -> Document:
    """Draw a contact that keeps the rules."""
    return {"email": address_of(draw), "visits": draw.randint(0, 9), "age": draw.randint(18, 90)}


def _legacy(draw: random.Random) -> list[tuple[Document, Document]]:
    """Draw contacts of old times, each with what mending makes of it."""
    texts, nulls, visitless = (
        _good(draw) | {f"note_{draw.randint(10, 99)}": draw.randint(1, 9)} for _ in range(3)
    )
    without_visits = {name: value for name, value in visitless.items() if name != "visits"}
    without_age = {name: value for name, value in nulls.items() if name != "age"}
    fine = _good(draw)
    return [
        (texts | {"age": str(texts["age"])}, texts),
        (nulls | {"age": None}, without_age),
        (without_visits, visitless | {"visits": 0}),
        (without_visits | {"email": address_of(draw), "age": "44"}, visitless | {"visits": 0, "age": 44}),
        (fine, fine),
    ]


def _open(story: Story) -> list[tuple[Document, Document]]:
    """Fill the collection with contacts of old times; return them, each with what mending makes of it."""
    load_rules()
    pairs = _legacy(story.random)
    story.random.shuffle(pairs)
    told = []
    for stored, mended in pairs:
        document = dict(stored)
        story.documents["contacts"].insert_one(document)
        told.append((document, mended | {"_id": document["_id"], "email": stored["email"]}))
    return told


def _refused(story: Story, write: str, *arguments: Any) -> bool:
    """Whether the server refuses a write of the shop."""
    from pymongo.errors import WriteError

    try:
        getattr(story.documents["contacts"], write)(*arguments)
    except WriteError as error:
        if error.code != DOCUMENT_INVALID:
            raise
        return True
    return False


def _rules(story: Story) -> Document:
    """Return the options of the collection, and note its action."""
    (found,) = story.documents.list_collections(filter={"name": "contacts"})
    story.saw(action=found["options"].get("validationAction", "error"))
    return dict(found["options"])


def _lets_nothing_wrong_in(story: Story, when: str) -> None:
    """Expect that a new contact must keep the rules, and may be written if it does."""
    draw = story.random
    _rules(story)
    good = _good(draw)
    story.expect(
        not _refused(story, "insert_one", good), f"A good contact is refused {when}.", expected="taken"
    )
    for wrong in ({"email": "nobody"}, {"visits": "3"}, {"age": -draw.randint(1, 9)}):
        taken = not _refused(story, "insert_one", _good(draw) | wrong)
        story.saw(let_in=story.seen.let_in or taken)
        told = f"{next(iter(wrong))}: {next(iter(wrong.values()))!r}"
        story.expect(not taken, f"A new contact that breaks the rules is taken {when}.", expected="code 121",
                     observed=told)  # fmt: skip


def _visits(story: Story, pairs: list[tuple[Document, Document]], when: str) -> None:
    """Let each contact of old times visit the shop, and expect that it may."""
    for stored, mended in pairs:
        seen = {"$inc": {"visits": 1}, "$set": {"seen": story.random.randint(1, 99)}}
        blocked = _refused(story, "update_one", {"_id": stored["_id"]}, seen)
        story.saw(legacy_blocked=story.seen.legacy_blocked or blocked)
        story.expect(not blocked, f"A visit of an old contact is refused {when}.",
                     expected="visits + 1", observed=f"code 121 for {stored!r}")  # fmt: skip
        kept = story.documents["contacts"].count_documents(
            {"_id": stored["_id"], "seen": seen["$set"]["seen"]}
        )
        story.equal(kept, 1, f"An old contact is gone {when}.")
        mended["visits"] += 1
        mended["seen"] = seen["$set"]["seen"]


@tighten.scenario("after `begin` old contacts go on, and new ones keep the rules", on="mongodb", points=2)
async def begun(story: Story) -> None:
    pairs = _open(story)
    await story.ask(do, call="begin(database)", steps=["begin"])
    _visits(story, pairs, "after begin")
    _lets_nothing_wrong_in(story, "after begin")


@tighten.scenario("`mend` brings every old contact up, and loses nothing", on="mongodb", points=2)
async def mended(story: Story) -> None:
    pairs = _open(story)
    await story.ask(do, call="begin(database), mend(database)", steps=["begin", "mend"])
    for stored, wanted in pairs:
        found = story.documents["contacts"].find_one({"_id": stored["_id"]}) or {}
        wrong = differences(wanted, found)
        story.expect(
            not wrong, "A contact is not mended as the task says.", expected=wanted, observed="; ".join(wrong)
        )
    await story.ask(do, call="mend(database) once more", steps=["mend"])
    left = story.documents["contacts"].count_documents({"$nor": [{"$jsonSchema": CONTACT_SCHEMA}]})
    story.equal(left, 0, "Contacts that break the rules are left.")


@tighten.scenario("`finish` holds everybody to the rules", on="mongodb", points=2)
async def finished(story: Story) -> None:
    pairs = _open(story)
    answer = await story.ask(do, call="begin, mend, finish", steps=["begin", "mend", "finish"])
    story.equal(answer.value, 0, "finish returns another number of contacts that break the rules.")
    _lets_nothing_wrong_in(story, "after finish")
    _visits(story, pairs, "after finish")
    story.equal(_rules(story).get("validationLevel", "strict"), "strict", "The collection has another level.")


@tighten.scenario("`finish` waits for what cannot be mended", on="mongodb")
async def waits(story: Story) -> None:
    pairs = _open(story)
    beyond = _good(story.random) | {"email": f"no address {story.random.randint(10, 99)}"}
    story.documents["contacts"].insert_one(beyond)
    answer = await story.ask(do, call="begin, mend, finish", steps=["begin", "mend", "finish"])
    story.equal(answer.value, 1, "finish returns another number of contacts that break the rules.")
    left = story.documents["contacts"].find_one({"_id": beyond["_id"]}) or {}
    wrong = differences(beyond, left)
    story.expect(not wrong, "A contact that cannot be mended was changed.", observed="; ".join(wrong))
    _visits(story, [*pairs, (beyond, dict(beyond))], "though finish found one that breaks the rules")
    _lets_nothing_wrong_in(story, "while one still breaks the rules")
