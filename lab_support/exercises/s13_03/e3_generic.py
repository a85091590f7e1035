"""13.3.3: a generic base and one specific query, judged by the rows fetched beside the rows returned."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_03.rows_fetched import RowsFetched
from lab_support.exercises.story import Answer, Story
from lab_support.services.store.entities import Order, Product, StoreBase

generic = Exercise(
    id="13.3.3",
    title="A generic base and a specific query",
    task="Write once what every repository does, and give products the one query that only they need.",
    student_writes=("Repository", "CatalogueRepository"),
    witness="measured",
    hints=(
        "Count the rows your query takes from the database, and those you return. Then ask for the two ends.",
        "`select(self.entity)` serves every class. Conditions belong into `.where(...)`; `Product.price.between(a, b)` "
        "includes both ends.",
        "query = select(Product).where(Product.category == category, Product.price.between(lowest, highest))\n"
        "return list(await self._session.scalars(query.order_by(Product.price, Product.id)))",
    ),
    misconceptions=(
        Misconception(
            "filters-in-python",
            "You believe that it makes no difference who chooses among the rows. Those you throw away were read, sent "
            "and made into objects first: put the condition into WHERE.",
            lambda seen: (seen.fetched_in_vain or 0) > 0,
        ),
        Misconception(
            "exclusive-bounds",
            "You believe that from 10 to 20 leaves out 10 and 20. Whoever asks for a price range means the ends too: "
            "use between(), or >= and <=.",
            lambda seen: seen.lost_at_the_ends and not seen.lost_elsewhere,
        ),
    ),
)


def _rows(fetched: RowsFetched) -> dict[str, int]:
    return {"fetched": fetched.count, "most": fetched.most}


@generic.act
async def use_base(attempt: Attempt, order_id: int) -> dict[str, Any]:
    """Use the student's base for orders: a class it has never heard of."""
    orders = type("OrderRepository", (attempt.the("Repository"),), {"entity": Order})
    async with attempt.sessions() as session:
        with RowsFetched(attempt.engine) as for_one:
            found = await orders(session).get_by_id(order_id)
        nobody = await orders(session).get_by_id(order_id + 1_000_000)
    async with attempt.sessions() as session:
        everything = list(await orders(session).get_all())
    kinds = sorted({type(one).__name__ for one in (found, *everything)})
    shown = [getattr(found, "id", None), getattr(found, "customer_email", None)]
    ids = [getattr(one, "id", None) for one in everything]
    return {"found": shown, "none": nobody is None, "ids": ids, "kinds": kinds, **_rows(for_one)}


@generic.act
async def ask_catalogue(attempt: Attempt, category: str, lowest: str, highest: str) -> dict[str, Any]:
    """Ask for a category's products in a price range and count the rows that it takes."""
    catalogue = attempt.the("CatalogueRepository")
    async with attempt.sessions() as session:
        with RowsFetched(attempt.engine) as fetched:
            found = list(await catalogue(session).in_category(category, Decimal(lowest), Decimal(highest)))
        names = [product.name for product in found]
        products = all(isinstance(one, Product) for one in found)
    return {"names": names, "products": products, **_rows(fetched)}


@generic.act
async def inherited(attempt: Attempt, product_id: int) -> str:
    """Call the base's method on the specific repository and return the product's name."""
    async with attempt.sessions() as session:
        found = await attempt.the("CatalogueRepository")(session).get_by_id(product_id)
    return str(found.name)


@generic.scenario("the base serves orders as it serves products")
async def base_is_generic(story: Story) -> None:
    await story.create(StoreBase.metadata)
    ids = sorted(story.random.sample(range(1, 900), 8))
    emails = {number: f"c{story.random.randint(1, 10**6)}@shop.example" for number in ids}
    seeds = [{"id": number, "customer_email": emails[number]} for number in ids]
    await story.write(insert(Order), seeds[::-1])
    wanted = ids[3]
    answer = await story.ask(
        use_base, call="class OrderRepository(Repository): entity = Order", order_id=wanted
    )
    story.equal(answer["kinds"], ["Order"], "The base does not give objects of the class named in `entity`.")
    story.equal(answer["found"], [wanted, emails[wanted]], "`get_by_id` gives another order.")
    story.expect(answer["none"], "`get_by_id` of an unknown id does not give None.")
    story.equal(answer["ids"], ids, "`get_all` does not give every order, in the order of the ids.")
    _counted(story, answer, 1)


@generic.scenario("a price range takes exactly the rows that it returns", points=2)
async def range_is_exact(story: Story) -> None:
    await story.create(StoreBase.metadata)
    low = Decimal(story.random.randint(1_000, 5_000)) / 100
    high = low + Decimal(story.random.randint(500, 900)) / 100
    category, cent = f"lamps {story.random.randint(1, 999)}", Decimal("0.01")
    prices = {
        "at the upper end": high, "inside, too": low + cent, "at the lower end": low, "inside": high - cent,
        "too cheap": low - cent, "too dear": high + cent, "much too dear": high * 100,
    }  # fmt: skip
    rows = [{"name": name, "price": price, "category": category} for name, price in prices.items()]
    other = {"name": "of another category", "price": low + cent, "category": "desks"}
    await story.write(insert(Product), [*rows, other])
    call = f"in_category({category!r}, {low}, {high})"
    answer = await story.ask(ask_catalogue, call=call, category=category, lowest=str(low), highest=str(high))
    wanted = ["at the lower end", "inside, too", "inside", "at the upper end"]
    lost = {*wanted} - {*answer["names"]}
    elsewhere = lost & {"inside", "inside, too"}
    story.saw(lost_at_the_ends=bool(lost - elsewhere), lost_elsewhere=bool(elsewhere))
    story.expect(answer["products"], "What comes back are not products.", expected="Product objects")
    extra = sorted({*answer["names"]} - {*wanted})
    story.expect(not extra, "Products came back that were not asked for.", expected=wanted, observed=extra)
    _counted(story, answer, len(answer["names"]))
    story.expect(not lost, "Products in the range are missing.", expected=wanted, observed=answer["names"])
    story.equal(answer["names"], wanted, "The products are not in the order of their prices.")


@generic.scenario("the specific repository inherits what the base does")
async def specific_inherits(story: Story) -> None:
    await story.create(StoreBase.metadata)
    number, name = story.random.randint(1, 900), f"lamp {story.random.randint(1, 10**6)}"
    seed = {"id": number, "name": name, "price": Decimal(1), "category": "lamps"}
    await story.write(insert(Product), [seed])
    call = f"CatalogueRepository(session).get_by_id({number})"
    answer = await story.ask(inherited, call=call, product_id=number)
    story.equal(answer.value, name, "`get_by_id` of the catalogue gives another product.")
    call = "in_category('lamps', 2, 0)"
    empty = await story.ask(ask_catalogue, call=call, category="lamps", lowest="2", highest="0")
    story.equal(empty["names"], [], "A range that is empty holds products.")


def _counted(story: Story, answer: Answer, returned: int) -> None:
    """Go on when no more rows were fetched than returned; one statement that fetched more chose in Python."""
    fetched = answer["fetched"]
    story.saw(fetched_in_vain=max(answer["most"] - returned, story.seen.fetched_in_vain or 0))
    story.expect(
        fetched <= returned, "More rows were fetched than were returned.",
        expected=f"{returned} rows fetched", observed=f"{fetched} rows fetched",
    )  # fmt: skip
