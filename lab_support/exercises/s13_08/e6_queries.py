"""13.8.6: queries over missing fields and mixed types, judged by which parcels they find."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story

if TYPE_CHECKING:
    from lab_support.exercises.s13_08.users import Document

NO_NUMBER = "a text that is no number"

queries = Exercise(
    id="13.8.6",
    title="Queries over missing and mixed",
    task="Find products by a field that may be missing, null, a number of three types, or a text.",
    student_writes=("never_asked", "without_warranty", "heavier_than"),
    witness="answers",
    limit_s=20.0,
    hints=(
        "Three questions. Which documents does `{field: None}` find? Does `$gt: 1000` look at a text at all? And in "
        "`$expr`, where every text is greater than every number?",
        '`$exists` asks whether a field is there, `$type: "null"` whether it is null. `$convert` makes a number of a '
        "text, and `onError` and `onNull` say what becomes of the rest.",
        'number = {"$convert": {"input": "$weight", "to": "double", "onError": None, "onNull": None}}\n'
        'found = products.find({"$expr": {"$gt": [number, grams]}})\n'
        'return [product["sku"] async for product in found]',
    ),
    misconceptions=(
        Misconception(
            "none-matches-missing",
            "You believe that null and missing are two things to `{field: None}`. It finds both: ask `$exists` whether "
            'a field is there, and `$type: "null"` whether it is null.',
            lambda seen: seen.mixes_null_and_missing,
        ),
        Misconception(
            "compares-strings-with-numbers",
            "You believe that a text and a number are compared by value. In a filter `$gt: 1000` passes every text by, "
            "and in `$expr` every text is greater than every number: convert it first.",
            lambda seen: seen.texts_wrong and not seen.numbers_wrong,
        ),
    ),
)


async def _skus(found: Any) -> list[str]:
    """Return what a student's function gave, which has to be SKUs."""
    given = await found
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | dict):
        return ["?"]
    return sorted(str(sku) for sku in given)


@queries.act
async def ask_never(attempt: Attempt) -> list[str]:
    """Ask for the products of whose warranty nobody has asked."""
    return await _skus(attempt.the("never_asked")(attempt.documents["products"]))


@queries.act
async def ask_without(attempt: Attempt) -> list[str]:
    """Ask for the products that are known to have no warranty."""
    return await _skus(attempt.the("without_warranty")(attempt.documents["products"]))


@queries.act
async def ask_heavier(attempt: Attempt, grams: int) -> list[str]:
    """Ask for the products that weigh more."""
    return await _skus(attempt.the("heavier_than")(attempt.documents["products"], grams))


def _named(draw: random.Random, documents: list[Document]) -> list[Document]:
    """Give each document a SKU, and shuffle them."""
    numbers = draw.sample(range(10_000, 100_000), len(documents))
    named = [{"sku": f"SKU-{number}"} | one for number, one in zip(numbers, documents, strict=True)]
    draw.shuffle(named)
    return named


def _store(story: Story, documents: list[Document]) -> None:
    """Put products into the collection, with ids that come from the server's client."""
    if documents:
        story.documents["products"].insert_many([dict(one) for one in documents])


def _of(documents: list[Document]) -> list[str]:
    return sorted(one["sku"] for one in documents)


def _about(found: list[str], wanted: list[str], why: dict[str, str]) -> str:
    """Say which products are missing from an answer and which are too many, and what they are."""
    lacking = [f"lacks {why.get(sku, sku)}" for sku in wanted if sku not in found]
    too_many = [f"has {why.get(sku, sku)}" for sku in found if sku not in wanted]
    twice = ["has one twice"] if len(found) > len({*found}) else []
    return "; ".join(dict.fromkeys(lacking + too_many + twice))


async def _warranties(story: Story, *, missing: int, null: int) -> None:
    """Tell of products with, without and with unknown warranty, and expect each to be found by its question."""
    draw = story.random
    others: list[Document] = [*({"warranty": draw.choice([6, 12, "2 years"])} for _ in range(draw.randint(2, 4))),
              {"warranty": 0}, {"warranty": ""}, {"warranty": []}]  # fmt: skip
    stored = _named(
        draw, [*({} for _ in range(missing)), *({"warranty": None} for _ in range(null)), *others]
    )
    _store(story, stored)
    absent = _of([one for one in stored if "warranty" not in one])
    none = _of([one for one in stored if "warranty" in one and one["warranty"] is None])
    why = {one["sku"]: "one where something else stands" for one in stored}
    why |= dict.fromkeys(absent, "one where the field is missing") | dict.fromkeys(
        none, "one where it is null"
    )
    for act, name, wanted, other in (
        (ask_never, "never_asked", absent, none),
        (ask_without, "without_warranty", none, absent),
    ):
        found = (await story.ask(act, call=f"{name}(products)")).value
        story.saw(
            mixes_null_and_missing=story.seen.mixes_null_and_missing
            or (other and found == sorted(wanted + other))
        )
        wrong = _about(found, wanted, why)
        story.expect(not wrong, f"{name} finds others.", expected=f"{len(wanted)} product(s)", observed=wrong)


@queries.scenario("missing is found where nothing is null, and null where nothing is missing", on="mongodb")
async def one_of_both(story: Story) -> None:
    await _warranties(story, missing=story.random.randint(1, 3), null=0)
    story.documents["products"].delete_many({})
    await _warranties(story, missing=0, null=story.random.randint(1, 3))


@queries.scenario("null and missing are told apart", on="mongodb", points=2)
async def both(story: Story) -> None:
    await _warranties(story, missing=story.random.randint(2, 4), null=story.random.randint(2, 4))


def _weights(draw: random.Random, grams: int) -> dict[str, tuple[list[Any], list[Any]]]:
    """Draw weights by their type: those above `grams`, and those that are not."""
    from bson import Decimal128, Int64

    above, below = grams + draw.randint(1, 400), grams - draw.randint(1, 80)
    return {
        "an int": ([above, grams + 1], [below, grams]),
        "a long": ([Int64(above)], [Int64(below)]),
        "a double": ([above + 0.25], [below + 0.25, float(grams)]),
        "a decimal": ([Decimal128(f"{above}.50")], [Decimal128(f"{below}.50")]),
    }


def _texts(draw: random.Random, grams: int) -> dict[str, tuple[list[Any], list[Any]]]:
    """Draw weights that are texts: those above `grams`, those that are not, and those that are no numbers."""
    above, below = grams + draw.randint(1, 400), grams - draw.randint(1, 80)
    ten_times = f"{grams * 10}"  # as a text it comes before most that are shorter
    return {
        "a number in a text": ([str(above), f"{above}.5", ten_times], [str(below), f"{below}.5", "9"]),
        NO_NUMBER: ([], ["unknown", f"{above} g", ""]),
        "null": ([], [None]),
    }


def _note(story: Story, found: list[str], wanted: list[str], why: dict[str, str]) -> None:
    """Note whether texts were passed by, or compared as texts; and whether numbers were found wrongly, too."""
    texts = {sku for sku in why if "text" in why[sku]}
    heavy = texts & {*wanted}
    passed_by = heavy and not heavy & {*found}
    compared = [sku for sku in texts & {*found} if NO_NUMBER in why[sku]]
    story.saw(
        texts_wrong=story.seen.texts_wrong or passed_by or compared,
        numbers_wrong=story.seen.numbers_wrong or ({*found} ^ {*wanted}) - texts,
    )


async def _heavier(story: Story, grams: int, kinds: dict[str, tuple[list[Any], list[Any]]]) -> None:
    """Tell of products of these weights, and expect the heavier ones to be found."""
    told = [
        ({"weight": weight}, f"{kind}: {weight!r}", heavy)
        for kind, pair in kinds.items()
        for heavy, weights in zip((True, False), pair, strict=True)
        for weight in weights
    ]
    told.append(({}, "one without a weight", False))
    numbers = story.random.sample(range(10_000, 100_000), len(told))
    skus = [f"SKU-{number}" for number in numbers]
    why = {sku: said for sku, (_, said, _) in zip(skus, told, strict=True)}
    wanted = sorted(sku for sku, (*_, heavy) in zip(skus, told, strict=True) if heavy)
    _store(story, [{"sku": sku} | document for sku, (document, *_) in zip(skus, told, strict=True)])
    found = (await story.ask(ask_heavier, call=f"heavier_than(products, {grams})", grams=grams)).value
    _note(story, found, wanted, why)
    observed = _about(found, wanted, why)
    story.expect(not observed, f"heavier_than finds others than those above {grams} g.",
                 expected=f"{len(wanted)} product(s)", observed=observed)  # fmt: skip


@queries.scenario("numbers of all types are compared by value", on="mongodb")
async def numbers(story: Story) -> None:
    grams = story.random.randint(1000, 3000)
    await _heavier(story, grams, _weights(story.random, grams))


@queries.scenario("a number in a text counts as that number, and other texts as none", on="mongodb", points=2)
async def texts(story: Story) -> None:
    grams = story.random.randint(1000, 3000)
    await _heavier(story, grams, _weights(story.random, grams) | _texts(story.random, grams))
