"""13.1.3: the CRUD router, judged by its answers over HTTP and by the rows behind them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select, text, update

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import app_of, in_words, send
from lab_support.exercises.story import Answer, Story
from lab_support.services.store.entities import Product, StoreBase

SQL_WORDS = ("select ", "insert ", "sqlalche", "no such table", "does not exist", "traceback", "products.")

router = Exercise(
    id="13.1.3",
    title="The CRUD router",
    task="Serve products over HTTP: create, read, list, replace, change and delete.",
    student_writes=("router",),
    witness="answers",
    hints=(
        "Take the routes one at a time. Which status, which rows afterwards, and what if the id is not there?",
        "`status_code=201` and a Location header; `Query(ge=1, le=100)`; `order_by(Product.id)`; "
        "`patch.model_dump(exclude_unset=True)`; let an unexpected error pass, and FastAPI answers a silent 500.",
        "changes = patch.model_dump(exclude_unset=True)\n"
        'if not changes: raise HTTPException(400, "Send at least one field.")\n'
        'if "product_name" in changes: changes["name"] = changes.pop("product_name")\n'
        "for name, value in changes.items(): setattr(product, name, value)",
    ),
    misconceptions=(
        Misconception(
            "patch-nulls-unsent-fields",
            "You believe that a field missing from a PATCH is None. `model_dump()` fills in what was not sent; only "
            "`model_dump(exclude_unset=True)` holds what the caller said.",
            lambda seen: seen.patch_touched_unsent is True,
        ),
        Misconception(
            "unordered-pages",
            "You believe that a table has an order of its own. Without ORDER BY the database may return rows in any "
            "order, and pages overlap or lose rows. Order by something unique.",
            lambda seen: seen.pages_overlap,
        ),
        Misconception(
            "unbounded-limit",
            "You believe that callers ask for sensible pages. One request for a million rows fills your memory and "
            "theirs: Query(ge=1, le=100).",
            lambda seen: (seen.largest_page or 0) > 100,
        ),
        Misconception(
            "leaks-sql-in-500",
            "You believe that the caller should see the exception's text. It tells a stranger your tables and "
            "statements. Log it, and answer a 500 without details.",
            lambda seen: seen.leaked is True,
        ),
        Misconception(
            "200-for-create",
            "You believe that any success is 200. Creating answers 201 Created, with a Location header that says "
            "where the new resource is.",
            lambda seen: seen.create_status == 200,
        ),
    ),
)


@router.act
async def request(attempt: Attempt, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one HTTP request to an application that serves the student's router."""
    return await send(attempt, app_of(attempt, attempt.the("router")), method, path, body)


@router.act
async def reverse_unordered_reads(attempt: Attempt) -> None:
    """On SQLite, have rows without an ORDER BY come the other way round, as the engine is free to do."""
    async with attempt.engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA reverse_unordered_selects = ON")


async def http(story: Story, method: str, path: str, body: Any = None) -> Answer:
    """Ask over HTTP, with the request as the card's words."""
    call = in_words(method, path, body)
    return await story.ask(request, call=call, method=method, path=path, body=body)


async def a_product(story: Story, **columns: Any) -> dict[str, Any]:
    """Seed one product with an id and values that nobody could foresee, and return its row."""
    draw = story.random
    row = {
        "id": draw.randint(1_000, 900_000),
        "name": f"lamp {draw.randint(1, 10**6)}",
        "description": f"shade {draw.randint(1, 99)}",
        "price": Decimal(draw.randint(1, 99_999)) / 100,
        "stock": draw.randint(1, 500),
        "is_available": True,
    }
    row |= columns
    await story.write(insert(Product), [row])
    return row


async def stored(story: Story, product_id: int) -> dict[str, Any] | None:
    """Read a product's row by the judge's own connection."""
    columns = (Product.name, Product.description, Product.price, Product.stock, Product.is_available)
    rows = await story.rows(select(*columns).where(Product.id == product_id))
    return rows[0] if rows else None


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON that a row must be shown as."""
    return {
        "product_id": row["id"],
        "product_name": row["name"],
        "description": row["description"],
        "price": f"{row['price']:.2f}",
        "stock": row["stock"],
        "is_available": row["is_available"],
    }


@router.scenario("POST creates a product and says where it is")
async def creates(story: Story) -> None:
    await story.create(StoreBase.metadata)
    body = {"product_name": f"desk {story.random.randint(1, 10**6)}", "price": "19.90", "stock": 7}
    answer = await http(story, "POST", "/products", body)
    story.saw(create_status=answer["status"])
    story.equal(answer["status"], 201, "Creating a product does not answer 201 Created.")
    product_id = answer["json"]["product_id"]
    row = await stored(story, product_id)
    wanted = {"name": body["product_name"], "description": None, "price": Decimal("19.90"), "stock": 7}
    story.equal(
        row, wanted | {"is_available": True}, "The row in the table is not the product that was sent."
    )
    story.expect(
        answer["location"], "The answer has no Location header.", expected="Location: /products/<id>"
    )
    found = await http(story, "GET", answer["location"])
    story.equal(found["json"], answer["json"], "GET on the Location does not show the product.")
    story.equal(found["json"], shown({"id": product_id, **(row or {})}), "The JSON is not the product's.")


@router.scenario("GET, PUT and DELETE find a product, and say 404 where there is none")
async def reads_replaces_deletes(story: Story) -> None:
    await story.create(StoreBase.metadata)
    row, gone = await a_product(story), story.random.randint(900_001, 999_999)
    path, nowhere = f"/products/{row['id']}", f"/products/{gone}"
    story.equal((await http(story, "GET", path))["json"], shown(row), "The JSON is not the product's.")
    replacement = {"product_name": "a new lamp", "price": "5.05"}
    answer = await http(story, "PUT", path, replacement)
    story.equal(answer["status"], 200, "PUT does not answer 200.")
    wanted = {
        "name": "a new lamp",
        "description": None,
        "price": Decimal("5.05"),
        "stock": 0,
        "is_available": True,
    }
    story.equal(await stored(story, row["id"]), wanted, "PUT did not replace the whole product.")
    for method, body in (("GET", None), ("PUT", replacement), ("PATCH", {"stock": 1}), ("DELETE", None)):
        story.equal(
            (await http(story, method, nowhere, body))["status"],
            404,
            f"{method} of an unknown id is not 404.",
        )
    story.equal((await http(story, "DELETE", path))["status"], 204, "DELETE does not answer 204.")
    story.equal(await stored(story, row["id"]), None, "The product is still in the table after DELETE.")


@router.scenario("PATCH leaves alone what was not sent", points=2)
async def patches(story: Story) -> None:
    await story.create(StoreBase.metadata)
    row = await a_product(story)
    stock = row["stock"] + 1
    answer = await http(story, "PATCH", f"/products/{row['id']}", {"stock": stock})
    found = await stored(story, row["id"]) or {}
    unsent = {name: row[name] for name in ("name", "description", "price", "is_available")}
    nulls_refused = "IntegrityError" in (answer.unhandled.types if answer.unhandled else ())
    story.saw(patch_touched_unsent=nulls_refused or {name: found.get(name) for name in unsent} != unsent)
    story.equal(answer["status"], 200, "PATCH of one field does not answer 200.")
    story.equal(found, unsent | {"stock": stock}, "PATCH changed a field that was not sent.")
    cleared = await http(story, "PATCH", f"/products/{row['id']}", {"description": None})
    story.equal(cleared["status"], 200, "PATCH of the description to null does not answer 200.")
    story.equal(
        (await stored(story, row["id"]) or {})["description"], None, "A null that was sent is not stored."
    )
    empty = await http(story, "PATCH", f"/products/{row['id']}", {})
    story.equal(empty["status"], 400, "An empty PATCH is not answered 400.")


@router.scenario("pages neither lose nor repeat a product", on="postgresql")
async def pages_are_stable(story: Story) -> None:
    await story.create(StoreBase.metadata)
    ids = [(await a_product(story, id=number, stock=1))["id"] for number in range(101, 113)]
    first = await http(story, "GET", "/products?skip=0&limit=5")
    if story.dialect == "sqlite":
        await story.ask(reverse_unordered_reads)
    for number in ids[:4]:  # an update moves a row to the end of PostgreSQL's heap
        await story.write(update(Product).where(Product.id == number).values(stock=2))
    rest = [await http(story, "GET", f"/products?skip={skip}&limit=5") for skip in (5, 10)]
    got = [one["product_id"] for page in (first, *rest) for one in (page["json"] or {}).get("items", [])]
    story.saw(pages_overlap=len(got) == len(ids) > len({*got} & {*ids}))
    story.equal(sorted(got), ids, "Three pages of five do not show each of twelve products once.")


@router.scenario("a page holds at most 100 products")
async def limit_is_bounded(story: Story) -> None:
    await story.create(StoreBase.metadata)
    rows = [
        {"name": f"n{number}", "price": Decimal(1), "stock": 1, "is_available": True} for number in range(130)
    ]
    await story.write(insert(Product), rows)
    for query in ("", "?limit=1000000"):
        answer = await http(story, "GET", f"/products{query}")
        page = len((answer["json"] or {}).get("items", []))
        story.saw(largest_page=max(page, story.seen.largest_page or 0))
        story.expect(
            page <= 100,
            "One page holds too many.",
            expected="at most 100, or 422",
            observed=f"{page} products",
        )
        story.expect(answer["status"] in (200, 422), "A huge limit is neither cut nor refused with 422.",
                     expected="200 or 422", observed=answer["status"])  # fmt: skip
    for query in ("?limit=0", "?limit=-1", "?skip=-1"):
        answer = await http(story, "GET", f"/products{query}")
        story.equal(answer["status"], 422, f"{query} is not refused with 422.")


@router.scenario("an unexpected error shows nothing of the database")
async def errors_are_silent(story: Story) -> None:
    await story.create(StoreBase.metadata)
    await story.write(text("DROP TABLE order_items"))
    await story.write(text("DROP TABLE products"))
    product = {"product_name": "lamp", "price": "1.00"}
    for method, path, body in (
        ("GET", "/products", None),
        ("GET", "/products/7", None),
        ("POST", "/products", product),
    ):
        answer = await http(story, method, path, body)
        told = answer["text"].lower()
        leaked = [word.strip() for word in SQL_WORDS if word in told]
        story.saw(leaked=bool(leaked) or story.seen.leaked is True)
        story.expect(not leaked, "The answer tells a stranger about your database.",
                     expected="a status of 500 or above without details", observed=answer["text"][:120])  # fmt: skip
        story.expect(answer["status"] >= 500, "A broken database is not answered with 500.",
                     expected="500 or above", observed=answer["status"])  # fmt: skip
