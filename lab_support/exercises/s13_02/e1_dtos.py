"""13.2.1: the shapes that cross HTTP, judged by what they take, what they refuse and what they show."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception, Seen
from lab_support.exercises.s13_02.catalogue import Product
from lab_support.exercises.story import Answer, Story

RENAMED = {"id", "name", "product_id", "product_name"}


def renamed_in_one_direction(seen: Seen) -> bool:
    """Whether the API's names work in one direction while another is lost."""
    lost_on_the_way_in = False in (seen.api_in, seen.entity_in)
    return bool(seen.api_out and lost_on_the_way_in) or (seen.api_in is True and seen.api_out is False)


dtos = Exercise(
    id="13.2.1",
    title="Product DTOs",
    task="Write four pydantic models for products: what a caller may send, and what the shop shows.",
    student_writes=("ProductCreate", "ProductUpdate", "ProductSummary", "ProductDetail"),
    witness="answers",
    hints=(
        "Take the models one at a time. Which fields has it, who names them, and what may it never hold?",
        '`extra="forbid"` refuses what you did not name; `from_attributes=True` reads an entity; `AliasChoices` '
        "reads a field under either of two names; `Decimal` with `max_digits` and `decimal_places` is money.",
        "class ProductSummary(BaseModel):\n"
        "    model_config = ConfigDict(from_attributes=True)\n"
        '    product_id: int = Field(validation_alias=AliasChoices("product_id", "id"))',
    ),
    misconceptions=(
        Misconception(
            "leaks-confidential",
            "You believe that an answer may hold whatever the entity holds. `supplier_cost` left the house: list the "
            "fields that callers may see, and inherit none of the others.",
            lambda seen: seen.leaked is True,
        ),
        Misconception(
            "accepts-extra",
            "You believe that callers send only the fields you had in mind. Somebody tries `supplier_cost` or `id`, "
            'and pydantic drops or keeps it without a word: say extra="forbid", and declare no field they may not set.',
            lambda seen: seen.accepted_extra is True,
        ),
        Misconception(
            "renames-one-way-only",
            "You believe that a field has one other name. An entity is read as `id`, JSON is written and read as "
            "`product_id`: AliasChoices reads both, or alias= together with validate_by_name=True.",
            renamed_in_one_direction,
        ),
        Misconception(
            "float-money",
            "You believe that a float can hold money. It holds the nearest binary fraction, and sums drift by cents: "
            "use Decimal, which pydantic writes into JSON as a string.",
            lambda seen: seen.float_money is True,
        ),
    ),
)


@dtos.act
async def show(attempt: Attempt, dto: str, columns: dict[str, Any]) -> dict[str, Any]:
    """Make a DTO from an entity and return its JSON, as FastAPI would write it."""
    money = {name: Decimal(columns[name]) for name in ("price", "supplier_cost")}
    product = Product(**{**columns, **money})
    return _tried(lambda: attempt.the(dto).model_validate(product))


@dtos.act
async def read(attempt: Attempt, dto: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make a DTO from JSON, as FastAPI would read it, and return the JSON of what was sent."""
    return _tried(lambda: attempt.the(dto).model_validate_json(json.dumps(body)), exclude_unset=True)


@dtos.act
async def add_up(attempt: Attempt, dto: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """Read bodies, and add up the prices of the DTOs in whatever type they have."""
    prices = [attempt.the(dto).model_validate_json(json.dumps(body)).price for body in bodies]
    total = sum(prices[1:], prices[0])
    return {"total": str(total), "type": type(total).__name__}


def _tried(make: Callable[[], Any], **how: Any) -> dict[str, Any]:
    """Return a DTO's JSON, or which fields pydantic refused."""
    try:
        made = make()
    except ValidationError as refused:
        errors = refused.errors(include_url=False, include_input=False, include_context=False)
        return {"json": None, "refused": [["".join(map(str, one["loc"][:1])), one["type"]] for one in errors]}
    return {"json": json.loads(made.model_dump_json(by_alias=True, **how)), "refused": None}


def a_product(story: Story) -> dict[str, Any]:
    """Draw the columns of a product."""
    draw = story.random
    return {
        "id": draw.randint(1_000, 900_000),
        "name": f"lamp {draw.randint(1, 10**6)}",
        "description": f"shade {draw.randint(1, 10**6)}",
        "price": f"{draw.randint(100, 9_999)}.{draw.randint(1, 9)}0",
        "stock": draw.randint(1, 500),
        "supplier_cost": f"{draw.randint(10_000, 99_999)}.{draw.randint(11, 99)}",
    }


def a_body(story: Story) -> dict[str, Any]:
    """Draw what a caller may send."""
    row = a_product(story)
    kept = {name: row[name] for name in ("description", "price", "stock")}
    return {"product_name": row["name"], **kept}


def shown_as(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the JSON of a product as each of the two models shows it."""
    summary = {"product_id": row["id"], "product_name": row["name"], "price": row["price"]}
    rest = {"description": row["description"], "stock": row["stock"]}
    return {"ProductSummary": summary, "ProductDetail": summary | rest}


def note_names(story: Story, direction: str, answer: Answer) -> None:
    """Note whether the renamed fields found their way into a DTO and out of it; once lost is lost."""
    refused, seen = answer["refused"], story.seen
    lost = bool(refused) and {place for place, _ in refused} <= RENAMED
    if refused is None or lost:
        story.saw(**{direction: not lost and seen.get(direction) is not False})
    if refused is None:
        named = answer["json"].keys() & RENAMED == {"product_id", "product_name"}
        story.saw(api_out=named and seen.api_out is not False)


@dtos.scenario("an entity is shown in the API's words, without what is confidential", points=2)
async def entities_are_shown(story: Story) -> None:
    row = a_product(story)
    for dto, wanted in shown_as(row).items():
        answer = await story.ask(
            show, call=f"{dto}.model_validate(product).model_dump_json()", dto=dto, columns=row
        )
        note_names(story, "entity_in", answer)
        story.equal(answer["refused"], None, f"{dto} does not read an entity.")
        found = answer["json"]
        leaks = "supplier_cost" in found or row["supplier_cost"] in json.dumps(found)
        story.saw(
            leaked=leaks or story.seen.leaked is True,
            float_money=isinstance(found.get("price"), float) or story.seen.float_money is True,
        )
        story.expect(not leaks, f"{dto} shows what the supplier is paid.", observed=found)
        story.equal(found, wanted, f"{dto} does not show the product as the task says.")


@dtos.scenario("the shop's own client reads each answer with the same model")
async def answers_are_read_again(story: Story) -> None:
    for dto, body in shown_as(a_product(story)).items():
        answer = await story.ask(
            read, call=f"{dto}.model_validate_json({json.dumps(body)})", dto=dto, body=body
        )
        note_names(story, "api_in", answer)
        story.equal(answer["refused"], None, f"{dto} does not read the JSON that the API shows.")
        story.equal(answer["json"], body, f"{dto} read its JSON and then shows something else.")


@dtos.scenario("a caller may send the fields of the task and no others", points=2)
async def nothing_else_comes_in(story: Story) -> None:
    for dto in ("ProductCreate", "ProductUpdate"):
        body = a_body(story)
        answer = await story.ask(read, call=f"{dto} of {json.dumps(body)}", dto=dto, body=body)
        story.equal(answer["refused"], None, f"{dto} refuses a good body.")
        values = sorted(map(str, answer["json"].values()))
        story.equal(values, sorted(map(str, body.values())), f"{dto} does not hold what was sent.")
        secret = f"0.{story.random.randint(10, 99)}"
        for extra in ({"supplier_cost": secret}, {"id": 7}, {"product_id": 7}, {"colour": "red"}):
            answer = await story.ask(read, call=f"{dto} with {extra} as well", dto=dto, body=body | extra)
            accepted = answer["refused"] is None
            story.saw(accepted_extra=accepted or story.seen.accepted_extra is True)
            story.expect(not accepted, f"{dto} accepts a field that callers may not set.",
                         expected="a ValidationError", observed=answer["json"])  # fmt: skip


@dtos.scenario("an update holds what was sent, and nothing that was not")
async def updates_are_partial(story: Story) -> None:
    body = a_body(story)
    for sent in (("price",), ("product_name", "stock"), ("description",), ()):
        part = {name: body[name] for name in sent}
        call = f"ProductUpdate of {json.dumps(part)}, dumped with exclude_unset=True"
        answer = await story.ask(read, call=call, dto="ProductUpdate", body=part)
        story.equal(answer["refused"], None, "ProductUpdate refuses a part of a product.")
        values = sorted(map(str, answer["json"].values()))
        story.equal(values, sorted(map(str, part.values())), "The update is not what was sent.")


@dtos.scenario("what the table could not keep is refused at the edge")
async def the_edge_is_guarded(story: Story) -> None:
    good = a_body(story)
    limits = ({"product_name": "n" * 200, "price": "9999999999.99"}, {"price": "0.00", "stock": 0})
    bad: tuple[dict[str, Any], ...] = (
        {"product_name": ""},
        {"product_name": "n" * 201},
        {"price": "-0.01"},
        {"price": f"1.00{story.random.randint(1, 9)}"},
        {"price": "10000000000.00"},
        {"price": "NaN"},
        {"stock": -1},
        {"description": "d" * 501},
    )
    for dto in ("ProductCreate", "ProductUpdate"):
        for limit in limits:
            answer = await story.ask(read, call=f"{dto} at its limits", dto=dto, body=good | limit)
            story.equal(answer["refused"], None, f"{dto} refuses values that the table can keep.")
        for change in bad:
            answer = await story.ask(read, call=f"{dto} with {change}"[:90], dto=dto, body=good | change)
            story.expect(answer["refused"], f"{dto} accepts a value that the table cannot keep.",
                         expected="a ValidationError", observed=f"accepted {change}")  # fmt: skip


@dtos.scenario("a new product needs a name and a price")
async def a_whole_product_is_asked_for(story: Story) -> None:
    good = a_body(story)
    for left_out, needed in (
        ("product_name", True),
        ("price", True),
        ("description", False),
        ("stock", False),
    ):
        part = {name: value for name, value in good.items() if name != left_out}
        call = f"ProductCreate without {left_out}"
        answer = await story.ask(read, call=call, dto="ProductCreate", body=part)
        word = "does not ask" if needed else "asks"
        story.equal(answer["refused"] is not None, needed, f"ProductCreate {word} for {left_out}.")


@dtos.scenario("prices that are added up stay exact")
async def cents_stay_exact(story: Story) -> None:
    cents = [10, 20, 10]
    while str(sum(cent / 100 for cent in cents)) == str(sum(cents) / 100):
        cents.append(story.random.randint(1, 99))
    cents += [story.random.randint(1, 9_999)]
    exact = sum((Decimal(cent) / 100 for cent in cents), Decimal(0))
    bodies = [a_body(story) | {"price": f"{Decimal(cent) / 100:.2f}"} for cent in cents]
    for dto in ("ProductCreate", "ProductUpdate"):
        answer = await story.ask(add_up, call=f"add up {len(cents)} prices of {dto}", dto=dto, bodies=bodies)
        story.saw(float_money=answer["type"] == "float" or story.seen.float_money is True)
        story.equal(answer["total"], f"{exact:.2f}", f"The prices of {dto} do not add up.")
