"""13.7.4: a repository on a collection, judged by the contract of 13.3 and by the documents behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from bson import Decimal128, ObjectId

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_03.contract import a_product, same
from lab_support.exercises.s13_07.entity import Product
from lab_support.exercises.s13_07.shop import COLLECTION, new_id
from lab_support.exercises.story import Story, StudentCodeRaised

Step = list[Any]
BUYERS = 12
MOST_LISTED = 100
ATTEMPTS = 6

repository = Exercise(
    id="13.7.4",
    title="The repository on a collection",
    task="Keep the contract of 13.3 with documents: the same methods, the same promises, exact money, exact stock.",
    student_writes=("ProductRepository",),
    witness="rows",
    hints=(
        "Which BSON type holds 0.10 exactly? And which single operation asks whether there is enough, and takes it?",
        "`Decimal128(price)` on the way in, `.to_decimal()` on the way out. The condition belongs into the filter of "
        "the update: then nobody can come between question and change.",
        "enough = {'_id': id_, 'stock': {'$gte': quantity}}\n"
        "result = await self._products.update_one(enough, {'$inc': {'stock': -quantity}})\n"
        "return result.modified_count == 1",
    ),
    misconceptions=(
        Misconception(
            "float-money",
            "You believe that a price is a number like others. A double cannot hold 0.10, so sums go wrong and filters "
            "miss: store a Decimal128.",
            lambda seen: "float" in (seen.price_types or ()),
        ),
        Misconception(
            "find-then-update",
            "You believe that what you have read is still true when you write. Others took the same pieces in "
            "between: put the condition into the update's filter, and let $inc reckon.",
            lambda seen: seen.takes_alone and seen.oversold is True,
        ),
    ),
)


@repository.act
async def use_repository(attempt: Attempt, steps: list[Step]) -> list[Any]:
    """Call methods one after another and say what each returned; `@2` stands for the id of what step 2 returned."""
    products = attempt.the("ProductRepository")(attempt.documents[COLLECTION])
    answers: list[Any] = []
    for method, *arguments in steps:
        given = [_argument(one, answers) for one in arguments]
        answers.append(_described(await getattr(products, method)(*given)))
    return answers


def _argument(sent: Any, answers: list[Any]) -> Any:
    if isinstance(sent, str) and sent.startswith("@"):
        return ObjectId(answers[int(sent[1:])]["id"])
    if isinstance(sent, str) and sent.startswith("id "):
        return ObjectId(sent[3:])
    if not isinstance(sent, dict):
        return sent
    return {name: Decimal(value) if name == "price" else value for name, value in sent.items()}


def _described(returned: Any) -> Any:
    """Show what a method returned as JSON: a product by its fields, anything else by its kind."""
    if returned is None or isinstance(returned, bool):
        return returned
    if isinstance(returned, Product):
        fields = asdict(returned)
        exact, id_ = type(fields["price"]) is Decimal, fields["id"]
        price = str(fields["price"]) if exact else repr(fields["price"])
        kind = type(id_).__name__
        return fields | {"id": str(id_), "price": price, "kind": "Product" if kind == "ObjectId" else kind}
    if isinstance(returned, Iterable) and not isinstance(returned, str | dict):
        return [_described(one) for one in returned]
    return {"kind": type(returned).__name__, "id": ""}


@repository.act
async def take_at_once(attempt: Attempt, id_: str, quantities: list[int]) -> list[bool]:
    """Let several buyers take pieces of one product at once, each by a repository of its own."""
    collection = attempt.documents[COLLECTION]
    make = attempt.the("ProductRepository")
    wanted = (make(collection).take(ObjectId(id_), quantity) for quantity in quantities)
    return [bool(taken) for taken in await asyncio.gather(*wanted)]


async def _use(story: Story, *steps: Step) -> list[Any]:
    call = ", ".join(str(step[0]) for step in steps)
    answer = await story.ask(use_repository, call=f"on one repository: {call}", steps=list(steps))
    returned: list[Any] = answer.value
    return returned


def _seed(story: Story, **fields: Any) -> dict[str, Any]:
    """Seed a document and return the product that it is."""
    drawn = a_product(story.random) | fields
    document = {"_id": new_id(story.random), **drawn, "price": Decimal128(drawn["price"])}
    story.documents[COLLECTION].insert_one(document)
    return {"kind": "Product", "id": str(document["_id"]), **drawn}


def _stored(story: Story) -> list[dict[str, Any]]:
    return list(story.documents[COLLECTION].find().sort("_id"))


@repository.scenario(
    "what is created has an id, and is found by it, by its name and in the list", on="mongodb"
)
async def creates_and_finds(story: Story) -> None:
    older = _seed(story)
    lamp, bare = a_product(story.random), {"name": f"bare {story.random.randint(1, 10**6)}", "price": "0.10"}
    nobody = f"id {new_id(story.random)}"
    first, second, by_id, by_name, everything, no_id, no_name = await _use(
        story, ["create", lamp], ["create", bare], ["get_by_id", "@0"], ["get_by_name", older["name"]],
        ["get_all"], ["get_by_id", nobody], ["get_by_name", "no such product"],
    )  # fmt: skip
    filled = bare | {"description": None, "stock": 0, "is_available": True}
    for made, fields in ((first, lamp), (second, filled)):
        same(story, made, {"kind": "Product", "id": made["id"], **fields}, "`create` made another product.")
    same(story, by_id, first, "`get_by_id` does not give the product.")
    same(story, by_name, older, "`get_by_name` does not give the product.")
    wanted = sorted((older, first, second), key=lambda made: made["id"])
    story.equal(everything, wanted, "`get_all` does not give every product, in the order of the ids.")
    story.equal((no_id, no_name), (None, None), "Where there is no such product, the answer is not None.")


@repository.scenario("a list of everything has an end", on="mongodb")
async def is_bounded(story: Story) -> None:
    made = [a_product(story.random) | {"_id": new_id(story.random)} for _ in range(MOST_LISTED + 20)]
    story.documents[COLLECTION].insert_many([one | {"price": Decimal128(one["price"])} for one in made])
    (found,) = await _use(story, ["get_all"])
    wanted = sorted(str(one["_id"]) for one in made)[:MOST_LISTED]
    story.expect([one["id"] for one in found] == wanted, "`get_all` does not give the first hundred products.",
                 expected=f"{MOST_LISTED} products", observed=f"{len(found)} products")  # fmt: skip


@repository.scenario("money is exact in the collection: a price is a Decimal128", on="mongodb", points=2)
async def money_is_exact(story: Story) -> None:
    prices = [
        "0.10",
        "0.20",
        "19.90",
        f"{story.random.randint(1, 999_999_999)}.{story.random.randint(1, 9)}0",
    ]
    made = [["create", {"name": f"p{number}", "price": price}] for number, price in enumerate(prices)]
    dearer = f"{story.random.randint(1, 99)}.70"
    try:
        await _use(story, *made, ["update", "@0", {"price": dearer}], ["get_by_id", "@0"])
    finally:
        found = [document.get("price") for document in _stored(story)]
        story.saw(price_types=sorted({type(price).__name__ for price in found}))
    wanted = sorted([*prices[1:], dearer])
    shown = sorted(str(price) for price in found)
    story.equal(story.seen.price_types, ["Decimal128"], "A price is not stored as Decimal128.")
    story.equal(shown, wanted, "The stored prices are not those of the products.")


@repository.scenario("update changes what it is given and nothing else", on="mongodb")
async def updates(story: Story) -> None:
    lamp, other = _seed(story, is_available=False, supplier="Bergen"), _seed(story)
    del lamp["supplier"]
    mine, stock = f"id {lamp['id']}", story.random.randint(600, 900)
    told, found, unchanged, cleared, nothing, nobody = await _use(
        story, ["update", mine, {"stock": stock}], ["get_by_id", mine], ["update", mine, {"stock": stock}],
        ["update", mine, {"description": None}], ["update", mine, {}],
        ["update", f"id {new_id(story.random)}", {"stock": stock}],
    )  # fmt: skip
    changed = lamp | {"stock": stock}
    same(story, told, changed, "`update` does not return the changed product.")
    same(story, found, changed, "After `update` of the stock, the product is not as it should be.")
    same(story, unchanged, changed, "An `update` to what is stored already does not return the product.")
    same(story, cleared, changed | {"description": None}, "A None that was given is not kept.")
    same(
        story, nothing, changed | {"description": None}, "An `update` of nothing does not return the product."
    )
    story.equal(nobody, None, "`update` of an unknown id does not return None.")
    documents = {str(one["_id"]): one for one in _stored(story)}
    story.equal(
        documents[lamp["id"]].get("supplier"),
        "Bergen",
        "`update` lost a field that the entity does not name.",
    )
    story.equal(sorted(documents), sorted([lamp["id"], other["id"]]), "`update` made or removed a document.")


@repository.scenario("what is deleted is gone, and delete says whether there was anything", on="mongodb")
async def deletes(story: Story) -> None:
    lamp, other = _seed(story), _seed(story)
    mine = f"id {lamp['id']}"
    done, again, found, changed = await _use(
        story, ["delete", mine], ["delete", mine], ["get_by_id", mine], ["update", mine, {"stock": 1}]
    )
    story.equal((done, again), (True, False), "`delete` does not say whether there was anything to delete.")
    story.equal((found, changed), (None, None), "A deleted product is still found.")
    story.equal(
        [str(one["_id"]) for one in _stored(story)], [other["id"]], "Another product is gone as well."
    )


@repository.scenario("take takes what is there, and never more", on="mongodb")
async def takes(story: Story) -> None:
    lamp, other = _seed(story), _seed(story)
    mine = f"id {lamp['id']}"
    first = story.random.randint(1, lamp["stock"])
    answers = await _use(
        story, ["take", mine, first], ["take", mine, lamp["stock"] - first + 1],
        ["take", f"id {new_id(story.random)}", 1],
    )  # fmt: skip
    left = {str(one["_id"]): one["stock"] for one in _stored(story)}
    wanted = {lamp["id"]: lamp["stock"] - first, other["id"]: other["stock"]}
    story.saw(takes_alone=left == wanted)
    story.equal(answers, [True, False, False], "`take` does not say whether it took the pieces.")
    story.equal(left, wanted, "The stock is not as it should be.")


@repository.scenario("twelve buyers at once never take a piece twice", on="mongodb", points=2)
async def race(story: Story) -> None:
    for _ in range(ATTEMPTS):
        stock = story.random.randint(3, 6)
        lamp = _seed(story, stock=stock)
        call = f"{BUYERS} buyers take a piece each, at once, where {stock} are left"
        try:
            answer = await story.ask(take_at_once, call=call, id_=lamp["id"], quantities=[1] * BUYERS)
        except StudentCodeRaised:
            story.saw(oversold=False)
            raise
        left = story.documents[COLLECTION].find_one({"_id": ObjectId(lamp["id"])}) or {}
        told, taken = sum(answer.value), stock - left.get("stock", stock)
        story.saw(oversold=told > taken or told > stock or story.seen.oversold is True)
        story.expect(
            (told, taken) == (stock, stock), "More or fewer buyers were promised a piece than there were pieces.",
            expected=f"{stock} of {BUYERS} take one, 0 left",
            observed=f"{told} were told that they have one, {left.get('stock')} left",
        )  # fmt: skip
