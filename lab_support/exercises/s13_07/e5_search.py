"""13.7.5: a search that can't be injected, judged by what hostile callers get to see."""

from __future__ import annotations

from typing import Any

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import send
from lab_support.exercises.s13_07.served import app_on, asking
from lab_support.exercises.s13_07.shop import COLLECTION, a_product
from lab_support.exercises.story import Answer, Story

REFUSED = (400, 422)
MOST_SHOWN = 50

search = Exercise(
    id="13.7.5",
    title="A search that can't be injected",
    task="Search products by what callers send, and let none of it become an operator or a pattern.",
    student_writes=("router",),
    witness="answers",
    hints=(
        'What is `{"kind": {"$ne": ""}}` to your filter: a value, or a question of its own? And what is `.*`?',
        "Let a Pydantic model say which fields there are, and that they are text (`extra='forbid'`, `strict=True`). "
        "Put every value behind an operator of yours. `re.escape` takes the meaning out of a pattern.",
        'wanted = {"secret": False}\n'
        'if sent.kind is not None: wanted["kind"] = {"$eq": sent.kind}\n'
        'if sent.term is not None: wanted["name"] = {"$regex": re.escape(sent.term), "$options": "i"}\n'
        'found = await products.find(wanted).sort("_id").limit(50).to_list(50)',
    ),
    misconceptions=(
        Misconception(
            "passes-dict-through",
            "You believe that JSON holds values. It holds objects too, and an object with a `$` is an operator: the "
            "caller wrote a part of your filter. Take text only, and put it behind an $eq of yours.",
            lambda seen: seen.operator_worked is True,
        ),
        Misconception(
            "regex-from-user",
            "You believe that a search term is text to $regex. It is a pattern: `.` finds everything, `(` is an error, "
            "and some patterns take a server's whole time. Use re.escape.",
            lambda seen: seen.finds_plain and seen.pattern_worked is True,
        ),
    ),
)


@search.act
async def request(attempt: Attempt, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one HTTP request to an application that serves the student's router."""
    return await send(attempt, app_on(attempt, attempt.the("router")), method, path, body)


http = asking(request)


async def _search(story: Story, body: Any) -> Answer:
    return await http(story, "POST", "/products/search", body)


def _skus(answer: Answer) -> list[str]:
    """Return the SKUs of what was shown; whatever has another form shows nothing."""
    items = answer["json"].get("items") if isinstance(answer["json"], dict) else None
    return [one["sku"] for one in items or [] if isinstance(one, dict) and "sku" in one]


def _seed(story: Story, **fields: Any) -> dict[str, Any]:
    """Seed one product that everybody may see, unless the fields say otherwise."""
    row = a_product(story.random, **{"kind": "lamp", "secret": False} | fields)
    story.documents[COLLECTION].insert_one(row)
    return row


def _shown(*rows: dict[str, Any]) -> list[str]:
    return [row["sku"] for row in sorted(rows, key=lambda row: row["_id"])]


@search.scenario("kind and term find what they say, and never what is secret", on="mongodb")
async def finds(story: Story) -> None:
    word = f"Brass{story.random.randint(100, 999)}"
    lamp, desk = _seed(story, name=f"a {word} lamp"), _seed(story, name=f"{word.upper()} desk", kind="desk")
    _seed(story, name=f"{word} prototype", secret=True)
    other = _seed(story)
    for body, wanted in (
        ({"term": word.lower()}, (lamp, desk)),
        ({"term": word, "kind": "desk"}, (desk,)),
        ({"kind": "lamp"}, (lamp, other)),
        ({}, (lamp, desk, other)),
        ({"kind": "la"}, ()),
        ({"term": f"no {word}"}, ()),
    ):
        answer = await _search(story, body)
        story.equal(answer["status"], 200, "A search is not answered 200.")
        story.equal(_skus(answer), _shown(*wanted), "The search shows other products, or in another order.")
    item = (await _search(story, {"kind": "desk"}))["json"]["items"]
    story.equal(item, [{"sku": desk["sku"], "name": desk["name"]}], "An item is not SKU and name.")
    story.saw(finds_plain=True)


@search.scenario("an operator from outside is refused", on="mongodb", points=2)
async def refuses_operators(story: Story) -> None:
    _seed(story)
    hidden = _seed(story, secret=True)
    for field, operator in (
        ("kind", {"$ne": "x"}), ("kind", {"$gt": ""}), ("kind", {"$exists": True}), ("term", {"$ne": "x"}),
        ("term", {"$regex": "."}), ("kind", ["lamp"]), ("kind", {"$in": ["lamp"]}),
    ):  # fmt: skip
        answer = await _search(story, {field: operator})
        story.saw(operator_worked=bool(_skus(answer)) or story.seen.operator_worked is True)
        story.expect(answer["status"] in REFUSED, "An operator, or a list, was not refused.",
                     expected="400 or 422, and no product",
                     observed=f"{answer['status']}, {len(_skus(answer))} products")  # fmt: skip
    for smuggled in (
        {"secret": True}, {"secret": {"$in": [True, False]}}, {"$or": [{"secret": True}, {}]},
        {"$where": "true"}, {"kind": "lamp", "$comment": "x"},
    ):  # fmt: skip
        answer = await _search(story, smuggled)
        seen = hidden["sku"] in _skus(answer)
        story.saw(operator_worked=seen or story.seen.operator_worked is True)
        story.expect(not seen, "A secret product is shown to somebody who asked in the right way.")
        story.expect(answer["status"] in (200, *REFUSED), "A strange field breaks the search.",
                     expected="400, 422, or as if the field had not been sent", observed=answer["status"])  # fmt: skip


@search.scenario("every character of a term is that character", on="mongodb", points=2)
async def terms_are_text(story: Story) -> None:
    number = story.random.randint(100, 999)
    marked = [
        _seed(story, name=name.format(number))
        for name in (
            "C++ mug {}",
            "50% off? [{}]",
            "a|b {}",
            "costs $5 {}",
            "path \\d{} x",
            "(open {}",
            "dot.{}",
            "^{}",
        )
    ]
    _seed(story, name=f"dotx{number} Cmug ab")
    for row in marked:
        answer = await _search(story, {"term": row["name"]})
        story.saw(pattern_worked=_skus(answer) != [row["sku"]] or story.seen.pattern_worked is True)
        story.equal((answer["status"], _skus(answer)), (200, [row["sku"]]), "A term is not found literally.")
    for pattern in (".*", "^[a-z]", "(", "(a+)+$", "\\w", "a{1,9}", "*"):
        answer = await _search(story, {"term": pattern})
        found = [row["sku"] for row in marked if pattern in row["name"]]
        story.saw(pattern_worked=_skus(answer) != found or story.seen.pattern_worked is True)
        story.equal((answer["status"], _skus(answer)), (200, found), "A pattern finds what is not that text.")


@search.scenario("one search shows at most 50 products", on="mongodb")
async def is_bounded(story: Story) -> None:
    rows = [a_product(story.random, sku=f"S-{number}", kind="lamp", secret=False) for number in range(60)]
    story.documents[COLLECTION].insert_many(rows)
    answer = await _search(story, {"kind": "lamp"})
    story.expect(_skus(answer) == _shown(*rows)[:MOST_SHOWN], "The search does not show the first 50 products.",
                 expected=f"{MOST_SHOWN} products", observed=f"{len(_skus(answer))} products")  # fmt: skip
