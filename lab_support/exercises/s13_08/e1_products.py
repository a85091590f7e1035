"""13.8.1: discriminated products, judged by the classes they are read as and by what is stored after a change."""

from __future__ import annotations

import inspect
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_08.compared import differences
from lab_support.exercises.story import Story
from lab_support.exercises.student_code import means_not_attempted

if TYPE_CHECKING:
    from lab_support.exercises.s13_08.users import Document

CLASSES: Final = {"monitor": "Monitor", "tshirt": "TShirt", "book": "Book"}

products = Exercise(
    id="13.8.1",
    title="Discriminated products",
    task="Read monitors, T-shirts and books from one collection, and write one back without losing anything.",
    student_writes=("read_product", "product_document"),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Three questions. Who decides of which class a document is, if its fields fit two? What happens to a field "
        "that your model does not name? Is a field that is null also a field that is missing?",
        '`Annotated[Monitor | TShirt | Book, Field(discriminator="kind")]`, with `kind: Literal["monitor"]` in each '
        'model. `ConfigDict(extra="allow")` keeps what nobody declared. `model_dump(by_alias=True, '
        "exclude_unset=True)` writes what was there, null included, and nothing else.",
        "_PRODUCTS = TypeAdapter(Annotated[Monitor | TShirt | Book, Field(discriminator='kind')])\n"
        "def read_product(document):\n    return _PRODUCTS.validate_python(document)\n"
        "def product_document(product):\n    return product.model_dump(by_alias=True, exclude_unset=True)",
    ),
    misconceptions=(
        Misconception(
            "first-match-union",
            "You believe that a union finds the right class by trying. A T-shirt of few fields is as good a monitor, "
            "and an error tells of all classes at once: let `kind` decide, as the discriminator.",
            lambda seen: seen.other_class or seen.other_kinds,
        ),
        Misconception(
            "drops-unknown-fields",
            "You believe that a field which your model does not name is not there. Pydantic ignores it, and the next "
            'write deletes it: somebody\'s data. Keep it, with ConfigDict(extra="allow").',
            lambda seen: seen.undeclared_lost,
        ),
    ),
)


async def _given(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


@products.act
async def read(attempt: Attempt, sku: str) -> dict[str, Any]:
    """Read one product; say what it became, or what is wrong with it."""
    document = await attempt.documents["products"].find_one({"sku": sku})
    try:
        product = await _given(attempt.the("read_product")(document))
    except ValueError as refused:
        if means_not_attempted(refused):
            raise
        told: list[dict[str, Any]] = getattr(refused, "errors", list)()
        return {"refused": True, "fields": sorted({str(error["loc"][-1]) for error in told if error["loc"]})}
    made = type(product).__name__
    if made not in CLASSES.values():
        return {"refused": False, "class": made}
    price = product.price
    return {"refused": False, "class": made, "price": str(price), "exact": isinstance(price, Decimal)}


@products.act
async def rename(attempt: Attempt, sku: str, name: str) -> None:
    """Read one product, give it another name, and write it back whole."""
    collection = attempt.documents["products"]
    document = await collection.find_one({"sku": sku})
    product = await _given(attempt.the("read_product")(document))
    product.name = name
    written = await _given(attempt.the("product_document")(product))
    await collection.replace_one({"sku": sku}, written)


def _product(draw: random.Random, kind: str, **more: Any) -> Document:
    """Draw a product that has what all kinds have, and `more`."""
    from bson import Decimal128

    price = Decimal128(f"{draw.randint(5, 900)}.{draw.randint(10, 99)}")
    number = draw.randint(100_000, 999_999)
    return {"kind": kind, "sku": f"SKU-{number}", "name": f"thing {number}", "price": price} | more


def _filled(draw: random.Random, kind: str) -> Document:
    """Draw a product whose every field is there."""
    own: dict[str, Document] = {
        "monitor": {"inches": draw.randint(40, 80) / 2, "refresh_hz": draw.choice([60, 120, 144])},
        "tshirt": {"size": draw.choice(["S", "M", "L", "XL"]), "color": draw.choice(["red", "green"])},
        "book": {"author": f"A. {draw.randint(10, 99)}", "pages": draw.randint(90, 900)},
    }
    return _product(draw, kind, **own[kind])


def _sparse(draw: random.Random, kind: str) -> Document:
    """Draw a product with the fewest fields that its kind allows."""
    return _product(draw, kind, **({"author": f"A. {draw.randint(10, 99)}"} if kind == "book" else {}))


def _stored(story: Story, wanted: list[Document]) -> list[Document]:
    """Put documents into the collection; return them as they are there, ids included."""
    story.random.shuffle(wanted)
    story.documents["products"].insert_many(wanted)
    return wanted


@products.scenario("each kind is read as its own class, however few its fields", on="mongodb", points=2)
async def classes(story: Story) -> None:
    wanted = [make(story.random, kind) for kind in CLASSES for make in (_filled, _sparse)]
    for document in _stored(story, wanted):
        kind = document["kind"]
        answer = await story.ask(
            read, call=f"read_product(…) of a {kind}: {sorted(document)}", sku=document["sku"]
        )
        story.expect(not answer["refused"], f"A good {kind} is refused.", observed=answer.value.get("fields"))
        story.saw(
            other_class=story.seen.other_class or answer["class"] in {*CLASSES.values()} - {CLASSES[kind]}
        )
        story.equal(answer["class"], CLASSES[kind], f"A {kind} is read as something else.")
        told = (answer["price"], answer["exact"])
        story.equal(told, (str(document["price"]), True), "The price is no Decimal, or another one.")


async def _is_renamed(story: Story, documents: list[Document], undeclared: str = "") -> None:
    """Have each product renamed, and expect that nothing else has changed."""
    for document in _stored(story, documents):
        name = f"renamed {story.random.randint(1000, 9999)}"
        await story.ask(
            rename, call=f"rename a {document['kind']}: {sorted(document)}", sku=document["sku"], name=name
        )
        found = story.documents["products"].find_one({"_id": document["_id"]}) or {}
        story.saw(undeclared_lost=story.seen.undeclared_lost or (undeclared and undeclared not in found))
        wrong = differences(document | {"name": name}, found)
        story.expect(not wrong, "More than the name has changed.", expected="the new name, and all else as it was",
                     observed="; ".join(wrong))  # fmt: skip


@products.scenario("a product is renamed, and nothing else changes", on="mongodb", points=2)
async def renamed(story: Story) -> None:
    draw = story.random
    known = [make(draw, kind) for kind in CLASSES for make in (_filled, _sparse)]
    await _is_renamed(story, [*known, _product(draw, "tshirt", size="M", color=None)])


@products.scenario("fields that nobody declared survive", on="mongodb", points=2)
async def undeclared(story: Story) -> None:
    draw = story.random
    name = f"eco_{draw.randint(100, 999)}"
    value = {"label": draw.choice("ABC"), "checked": [draw.randint(1, 9), None, 2.5]}
    await _is_renamed(story, [_filled(draw, kind) | {name: value} for kind in CLASSES], name)


@products.scenario("what is wrong is said of the product's own kind", on="mongodb", points=2)
async def wrong(story: Story) -> None:
    draw = story.random
    cases = {
        "size": _product(draw, "tshirt", size=f"size-{draw.randint(1, 99)}"),
        "inches": _product(draw, "monitor", inches="wide"),
        "author": _product(draw, "book"),
        "": _product(draw, f"kind-{draw.randint(1, 99)}"),
    }
    _stored(story, list(cases.values()))
    for field, document in cases.items():
        call = f"read_product(…) of {document['kind']} with a wrong {field or 'kind'}"
        answer = await story.ask(read, call=call, sku=document["sku"])
        story.expect(answer["refused"], "A document that fits no kind is read.", expected="a ValidationError",
                     observed=answer.value.get("class"))  # fmt: skip
        others = [name for name in answer["fields"] if field and name != field]
        story.saw(other_kinds=story.seen.other_kinds or others)
        story.expect(not others, f"The error tells of fields that a {document['kind']} need not have.",
                     expected=field, observed=", ".join(answer["fields"]))  # fmt: skip
