"""13.8.2: a validator for users, judged by what the server does with twenty documents."""

from __future__ import annotations

from typing import Any

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_08.users import Candidate, bad_users, good_users, load_rules
from lab_support.exercises.story import Story

SURROUNDED = "an e-mail with text around it"
NO_AT = "an e-mail without an @"

users_validator = Exercise(
    id="13.8.2",
    title="The users validator",
    task="Write the rules that the server itself keeps for users: it takes six documents of ours and refuses fourteen.",
    student_writes=("USERS_SCHEMA",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Three questions. How does BSON name a whole number, money and a moment? What does each stored document have "
        "that you did not list? Where may a pattern match?",
        '`bsonType` knows "int", "long", "decimal" and "date". `additionalProperties: False` refuses every field that '
        "is not in `properties`, `_id` too. A pattern is looked for anywhere in the text, unless it has ^ and $.",
        '"bsonType": "object", "required": [...], "additionalProperties": False, "properties": {\n'
        '    "_id": {},\n    "email": {"bsonType": "string", "pattern": r"^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$"},\n'
        '    "age": {"bsonType": ["int", "long"], "minimum": 0, "maximum": 150}, ...}',
    ),
    misconceptions=(
        Misconception(
            "type-for-bsonType",
            "You believe that JSON's types are enough. `type` knows no int, no decimal and no date: a double passes as "
            'a number. Write `bsonType`, with "int", "long", "decimal" and "date".',
            lambda seen: seen.json_types_refused or {*seen.json_typed} & {*seen.wrongly_typed},
        ),
        Misconception(
            "forbids-underscore-id",
            "You believe that your fields are all there are. Every stored document has an `_id`, and "
            "`additionalProperties: False` refuses it unless `properties` lists it.",
            lambda seen: seen.id_refused,
        ),
        Misconception(
            "unanchored-pattern",
            "You believe that a pattern describes the whole text. It is looked for anywhere in it: begin it with ^ and "
            "end it with $.",
            lambda seen: SURROUNDED in seen.wrongly_taken and NO_AT not in seen.wrongly_taken,
        ),
    ),
)


@users_validator.act
async def create(attempt: Attempt) -> dict[str, str]:
    """Create the collection with the student's schema; say why the server does not take it."""
    from pymongo.errors import OperationFailure

    schema = attempt.the("USERS_SCHEMA")
    try:
        await attempt.documents.command({"create": "users", "validator": {"$jsonSchema": schema}})
    except OperationFailure as refused:
        return {"refused": str((refused.details or {}).get("errmsg", refused))}
    return {"refused": ""}


async def _open(story: Story) -> None:
    """Have the collection created, and note which fields are described by JSON's types."""
    load_rules()
    why = (await story.ask(create, call="create the collection with USERS_SCHEMA"))["refused"]
    story.saw(json_types_refused="$jsonSchema type" in why or "type name alias" in why)
    story.expect(
        not why, "MongoDB does not take your schema.", expected="a schema of known keywords", observed=why
    )
    (made,) = story.documents.list_collections(filter={"name": "users"})
    schema = made["options"]["validator"]["$jsonSchema"]
    described = schema.get("properties", {})
    story.saw(
        json_typed=[name for name, rules in described.items() if isinstance(rules, dict) and "type" in rules]
    )


def _why_refused(story: Story, candidate: Candidate) -> str:
    """Insert a document by the judge's own client; return which rule it broke, or nothing if it was taken."""
    from pymongo.errors import WriteError

    try:
        story.documents["users"].insert_one(dict(candidate.document))
    except WriteError as refused:
        details = (refused.details or {}).get("errInfo", {}).get("details", {})
        broken = details.get("schemaRulesNotSatisfied", [])
        if any("_id" in rule.get("additionalProperties", ()) for rule in broken):
            story.saw(id_refused=True)
        return "; ".join(_in_words(rule) for rule in broken) or str(refused)
    return ""


def _takes_a_good_user(story: Story) -> None:
    """Expect that not everything is refused."""
    why = _why_refused(story, good_users(story.random)[0])
    story.expect(not why, "The server refuses a good user.", expected="taken", observed=why)


def _in_words(rule: dict[str, Any]) -> str:
    """Say which rule it is, and of which field."""
    told = rule.get("missingProperties") or rule.get("additionalProperties")
    told = told or [one.get("propertyName") for one in rule.get("propertiesNotSatisfied", ())]
    return f"{rule['operatorName']}: {', '.join(map(str, told))}" if told else str(rule["operatorName"])


@users_validator.scenario("six users as they should be are taken", on="mongodb", points=2)
async def taken(story: Story) -> None:
    await _open(story)
    for user in good_users(story.random):
        why = _why_refused(story, user)
        story.expect(
            not why, f"The server refuses a good user: {user.title}.", expected="taken", observed=why
        )
    story.equal(story.documents["users"].count_documents({}), 6, "The collection holds other users.")


@users_validator.scenario("fourteen others are refused, each for its own reason", on="mongodb", points=3)
async def refused(story: Story) -> None:
    await _open(story)
    _takes_a_good_user(story)
    wrong = [user for user in bad_users(story.random) if not _why_refused(story, user)]
    titles = [user.title for user in wrong]
    typed = [user.field for user in wrong if "double" in user.title or "as text" in user.title]
    story.saw(wrongly_taken=titles, wrongly_typed=typed)
    story.expect(not wrong, f"The server takes {len(wrong)} of 14 users that break a rule.",
                 expected="none", observed="; ".join(titles))  # fmt: skip


@users_validator.scenario("a change is held to the same rules", on="mongodb")
async def changed(story: Story) -> None:
    from pymongo.errors import WriteError

    await _open(story)
    _takes_a_good_user(story)
    users, age = story.documents["users"], story.random.randint(18, 90)
    users.update_one({}, {"$set": {"age": age}})
    try:
        users.update_one({}, {"$set": {"age": str(age)}})
    except WriteError:
        return
    story.expect(False, "A change makes a text of the age, and the server takes it.", expected="code 121")
