"""13.8.5: an upcaster from versions 1 and 2 to 3, judged by what is returned and by what stays stored."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any, Final

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_08.compared import differences
from lab_support.exercises.story import Answer, Story

if TYPE_CHECKING:
    from lab_support.exercises.s13_08.users import Document

GIVEN_NAMES: Final = ("Ada", "Grace", "Anna Maria", "Jean Luc")
STRAGGLERS_S: Final = 0.5
FAMILY_NAMES: Final = ("Lovelace", "Hopper", "Ek", "Noether")

upcaster = Exercise(
    id="13.8.5",
    title="Upcaster",
    task="Read documents of versions 1, 2 and 3 as version 3, and leave the stored ones as they are.",
    student_writes=("find_customer",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Three questions. Which version has a document that does not say any? What becomes of a field that your code "
        "has never heard of? Who else may be writing this document while you read it?",
        "One step from 1 to 2 and one from 2 to 3, each on a copy: `document.pop(…)` what you replace, set what is "
        "new, and leave the rest. A read returns the new form and stores nothing; a backfill stores.",
        'customer = dict(stored)\nif version < 2:\n    first, _, last = customer.pop("name").rpartition(" ")\n'
        '    customer |= {"first_name": first, "last_name": last}\nif version < 3:\n'
        '    phone = customer.pop("phone", None)\n    customer["phones"] = [] if phone is None else [phone]',
    ),
    misconceptions=(
        Misconception(
            "loses-fields",
            "You believe that you know all fields of an old document. A new one built from those you know leaves "
            "somebody's data behind: change a copy, and keep what you do not know.",
            lambda seen: seen.lost,
        ),
        Misconception(
            "writes-on-read",
            "You believe that a read may store what it worked out. It overwrites what others changed meanwhile, fails "
            "where one may only read, and makes every read a write: return the new form, and let a backfill store it.",
            lambda seen: seen.written,
        ),
    ),
)


@upcaster.act
async def find(attempt: Attempt, number: int) -> Any:
    """Find a customer; return the document in MongoDB's extended JSON, which keeps the types."""
    from bson import ObjectId, json_util

    customers = attempt.documents["customers"]
    stored = await customers.find_one({"number": number}) or {}
    found = await attempt.the("find_customer")(customers, stored.get("_id", ObjectId()))
    await _left_running()
    if found is not None and not isinstance(found, dict):
        return {"kind": type(found).__name__}
    return {"document": json.loads(json_util.dumps(found, json_options=json_util.CANONICAL_JSON_OPTIONS))}


async def _left_running() -> None:
    """Give tasks that the student's code left behind the time to do what they are about to do."""
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left, timeout=STRAGGLERS_S)


class _Customer:
    """One customer in all three forms."""

    def __init__(self, draw: random.Random, *, version: int, phone: str = "given") -> None:
        self.version = version
        self.first, self.last = draw.choice(GIVEN_NAMES), draw.choice(FAMILY_NAMES)
        self.number = draw.randint(10_000, 99_999)
        self.phone_kind = phone
        self.phone = f"+44 20 {draw.randint(10**6, 10**7)}" if phone == "given" else None

    def stored(self) -> Document:
        """Return the document as its version had it."""
        common: Document = {"number": self.number}
        if self.version == 3:
            return self.wanted()
        if self.phone_kind != "missing":
            common["phone"] = self.phone
        if self.version == 1:
            return common | {"name": f"{self.first} {self.last}".strip()}
        return common | {"schema_version": 2, "first_name": self.first, "last_name": self.last}

    def wanted(self) -> Document:
        """Return the document as version 3 has it."""
        phones = [self.phone] if self.phone else []
        names = {"first_name": self.first, "last_name": self.last}
        return {"number": self.number, "schema_version": 3, "phones": phones} | names


async def _read(story: Story, customer: _Customer, **more: Any) -> None:
    """Store one customer, have it read, and expect version 3 returned and the old version stored."""
    collection = story.documents["customers"]
    stored = customer.stored() | more
    collection.insert_one(stored)
    before = list(collection.find({}))
    answer = await story.ask(
        find,
        call=f"find_customer(…) of a version {customer.version}: {sorted(stored)}",
        number=customer.number,
    )
    after = list(collection.find({}))
    found = _document(story, answer)
    lost = [name for name in more if name not in found and name != "schema_version"]
    story.saw(lost=story.seen.lost or lost, written=story.seen.written or before != after)
    wrong = differences(customer.wanted() | more | {"_id": stored["_id"], "schema_version": 3}, found)
    story.expect(not wrong, f"Version {customer.version} is not read as version 3.",
                 expected="version 3, with all that was there", observed="; ".join(wrong))  # fmt: skip
    story.expect(before == after, "The read has changed what is stored.", expected=f"version {customer.version}",
                 observed="; ".join(_changes(before, after)))  # fmt: skip


def _document(story: Story, answer: Answer) -> Document:
    """Return the document that the student's function returned."""
    from bson import json_util

    story.expect(
        "document" in answer.value, "find_customer returns no dict.", observed=answer.value.get("kind")
    )
    found = json_util.loads(json.dumps(answer["document"]))
    story.expect(found is not None, "find_customer does not find a customer who is there.", observed=None)
    return dict(found)


def _changes(before: list[Document], after: list[Document]) -> list[str]:
    pairs = zip(before, after, strict=False)
    told = [change for old, new in pairs for change in differences(old, new)]
    return told or [f"{len(after)} documents instead of {len(before)}"]


@upcaster.scenario("a version 3 is read as it is", on="mongodb")
async def current(story: Story) -> None:
    for phone in ("given", "missing"):
        await _read(story, _Customer(story.random, version=3, phone=phone))


@upcaster.scenario(
    "versions 1 and 2 are read as version 3, and stay stored as they are", on="mongodb", points=3
)
async def old(story: Story) -> None:
    for version in (2, 1):
        for phone in ("given", "null", "missing"):
            await _read(story, _Customer(story.random, version=version, phone=phone))
    one_word = _Customer(story.random, version=1)
    one_word.first = ""
    await _read(story, one_word)
    await _read(
        story, _Customer(story.random, version=2), schema_version=2.0
    )  # mongosh writes every number so


@upcaster.scenario("fields that nobody declared come along", on="mongodb", points=2)
async def undeclared(story: Story) -> None:
    draw = story.random
    for version in (3, 2, 1):
        more = {
            f"tag_{draw.randint(100, 999)}": {"by": draw.choice("ABC"), "since": [draw.randint(1, 9), None]}
        }
        await _read(story, _Customer(draw, version=version), **more)


@upcaster.scenario("nobody is nobody, and a version from the future is refused", on="mongodb")
async def unknown(story: Story) -> None:
    answer = await story.ask(find, call="find_customer(…) of nobody", number=1)
    story.equal(answer.value, {"document": None}, "There is no such customer, and one is returned.")
    customer = _Customer(story.random, version=3)
    story.documents["customers"].insert_one(
        customer.stored() | {"schema_version": story.random.randint(4, 9)}
    )
    answer = await story.ask(
        find, call="find_customer(…) of a version from the future", number=customer.number, may_fail=True
    )
    raised = answer.error.types[0] if answer.error else "no error"
    story.equal(raised, "UnknownVersionError", "A version that nobody here knows is read.")
