"""13.2.2: between DTO and entity, judged by the rows that are kept, the JSON that is shown, and untouched inputs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception, Seen
from lab_support.exercises.s13_02.catalogue import (
    CatalogueBase,
    NewProduct,
    Product,
    ProductChanges,
    Supplier,
)
from lab_support.exercises.story import Answer, Story

COLUMNS = (Product.name, Product.description, Product.price, Product.stock, Product.supplier_id)


def misread_rename(seen: Seen) -> bool:
    """Whether the API's name went where only the column's name is known, by an error or without a word."""
    told = any("'product_name' is an invalid keyword" in text for text in seen.error_texts or ())
    return told or seen.new_name_was_lost is True


mapping = Exercise(
    id="13.2.2",
    title="Mapping both ways",
    task="Map a request onto an entity, an entity onto an answer, and a change onto an entity that exists.",
    student_writes=("to_entity", "view_query", "to_view", "apply_changes"),
    witness="answers",
    hints=(
        "For each function: which names go in, which come out, and what of it is loaded by then?",
        "`Product(name=..., ...)` takes column names; `options(selectinload(Product.supplier))` loads what the view "
        "reads; `model_dump(exclude_unset=True)` is a copy of what was sent, and yours to rename.",
        "columns = changes.model_dump(exclude_unset=True)\n"
        'if "product_name" in columns: columns["name"] = columns.pop("product_name")\n'
        "for name, value in columns.items(): setattr(product, name, value)",
    ),
    misconceptions=(
        Misconception(
            "rename-mismatch",
            "You believe that both sides call a field the same. The API says `product_name` and the column is "
            "`name`: an entity has no such keyword, and setattr() invents an attribute that is never stored.",
            misread_rename,
        ),
        Misconception(
            "lazy-attribute-in-response",
            "You believe that reading `product.supplier` is free. It is a statement, and nobody can await it while "
            "an answer is being built: load it in the query, with selectinload or joinedload.",
            lambda seen: any("MissingGreenlet" in said for said in (*seen.errors, *seen.error_texts)),
        ),
        Misconception(
            "mutates-input",
            "You believe that what you were handed is yours to change. Your caller still uses it, and a changed "
            "entity is written by the next commit: work on a copy such as model_dump() gives.",
            lambda seen: seen.mutated is True,
        ),
    ),
)


@mapping.act
async def add(attempt: Attempt, body: dict[str, Any]) -> dict[str, Any]:
    """Map a new product to an entity, store it, and return its id and whether the DTO was changed."""
    dto = NewProduct.model_validate(body)
    before = dict(vars(dto))
    product = attempt.the("to_entity")(dto)
    async with attempt.sessions() as session:
        session.add(product)
        await session.commit()
        return {"id": product.id, "mutated": vars(dto) != before}


@mapping.act
async def view(attempt: Attempt, product_id: int) -> dict[str, Any]:
    """Load a product by the student's query and show it; return JSON and whether the entity was changed."""
    async with attempt.sessions() as session:
        found = await session.scalars(attempt.the("view_query")(product_id))
        product = found.unique().one_or_none()
        if not isinstance(product, Product):
            return {"json": None, "mutated": False}
        shown = attempt.the("to_view")(product)
        return {"json": shown.model_dump(mode="json"), "mutated": product in session.dirty}


@mapping.act
async def change(attempt: Attempt, product_id: int, body: dict[str, Any]) -> dict[str, Any]:
    """Apply changes to a stored product, commit, and return whether the DTO was changed."""
    changes = ProductChanges.model_validate(body)
    before, sent = dict(vars(changes)), set(changes.model_fields_set)
    async with attempt.sessions() as session:
        product = await session.get_one(Product, product_id)
        attempt.the("apply_changes")(product, changes)
        await session.commit()
    return {"mutated": vars(changes) != before or changes.model_fields_set != sent}


async def a_product(story: Story, **columns: Any) -> dict[str, Any]:
    """Seed a supplier, and a product of theirs, with values that nobody could foresee."""
    await story.create(CatalogueBase.metadata)
    draw = story.random
    supplier = {"id": draw.randint(1, 10**6), "name": f"works {draw.randint(1, 10**6)}"}
    row = {
        "id": draw.randint(1_000, 900_000),
        "name": f"lamp {draw.randint(1, 10**6)}",
        "description": f"shade {draw.randint(1, 99)}",
        "price": Decimal(draw.randint(1, 99_999)) / 100,
        "stock": draw.randint(1, 500),
        "supplier_id": supplier["id"],
    } | columns
    await story.write(insert(Supplier), [supplier])
    await story.write(insert(Product), [row])
    return row | {"supplier_name": supplier["name"] if row["supplier_id"] else None}


async def stored(story: Story, product_id: int) -> dict[str, Any]:
    """Read a product's row by the judge's own connection."""
    return (await story.rows(select(*COLUMNS).where(Product.id == product_id)))[0]


def untouched(story: Story, answer: Answer, what: str) -> None:
    """Expect that what a function was handed is as it was."""
    story.saw(mutated=answer["mutated"] or story.seen.mutated is True)
    story.expect(not answer["mutated"], f"The {what} was changed by your function.",
                 expected="as it was", observed="changed")  # fmt: skip


@mapping.scenario("a new product is stored as it was sent")
async def requests_become_rows(story: Story) -> None:
    row = await a_product(story)
    body = {"product_name": f"{row['name']} b", "price": "0.10", "supplier_id": row["supplier_id"]}
    for more in ({}, {"description": f"d {row['stock']}", "stock": story.random.randint(1, 99)}):
        answer = await story.ask(add, call=f"to_entity(NewProduct of {body | more})", body=body | more)
        untouched(story, answer, "DTO")
        wanted = {"description": None, "stock": 0, **body, **more, "price": Decimal("0.10")}
        wanted["name"] = wanted.pop("product_name")
        story.equal(await stored(story, answer["id"]), wanted, "The row is not the product that was sent.")


@mapping.scenario("a view shows the product and its supplier's name", points=2)
async def entities_become_answers(story: Story) -> None:
    for columns in ({}, {"supplier_id": None, "description": None}):
        row = await a_product(story, **columns)
        call = "to_view(the product that view_query(product_id) finds)"
        answer = await story.ask(view, call=call, product_id=row["id"])
        untouched(story, answer, "entity")
        wanted = {"product_id": row["id"], "product_name": row["name"], "price": f"{row['price']:.2f}"}
        wanted |= {name: row[name] for name in ("description", "stock", "supplier_name")}
        story.equal(answer["json"], wanted, "The view is not the product's.")
        story.expect(answer.statements <= 2, "The view takes too many statements.",
                     expected="at most 2", observed=answer.statements)  # fmt: skip
    answer = await story.ask(view, call="view_query(an id that is not there)", product_id=row["id"] + 1)
    story.equal(answer["json"], None, "The query finds a product whose id is another.")


@mapping.scenario("a change sets what was sent and leaves the rest", points=2)
async def changes_are_applied(story: Story) -> None:
    row = await a_product(story)
    kept = {column.key: row[column.key] for column in COLUMNS}
    number = story.random.randint(1, 99)
    steps: tuple[dict[str, Any], ...] = (
        {"stock": number},
        {"product_name": f"desk {number}", "price": f"{number}.05"},
        {"description": None},
        {},
    )
    for body in steps:
        call = f"apply_changes(product, ProductChanges of {body})"
        answer = await story.ask(change, call=call, product_id=row["id"], body=body)
        before, found = kept, await stored(story, row["id"])
        kept = kept | {"name" if name == "product_name" else name: value for name, value in body.items()}
        kept["price"] = Decimal(kept["price"])
        lost = kept["name"] != before["name"] == found["name"] and found == kept | {"name": before["name"]}
        story.saw(new_name_was_lost=lost or story.seen.new_name_was_lost is True)
        untouched(story, answer, "DTO")
        story.equal(found, kept, "The row is not what the change makes of it.")
