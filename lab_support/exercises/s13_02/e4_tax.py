"""13.2.4: summary, detail and a price with tax, judged cent by cent and by counting statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import insert

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_02.catalogue import CatalogueBase, Product, Review
from lab_support.exercises.story import Answer, Story, StudentCodeRaised, StudentError

CENT = Decimal("0.01")
LIMIT = 200
Row = dict[str, Any]

tax = Exercise(
    id="13.2.4",
    title="Summary, detail and a price with tax",
    task="Show a list of products as summaries and one as a detail, both with the price including tax.",
    student_writes=("list_priced", "get_priced"),
    witness="answers",
    hints=(
        "What does a line of the list show, and what must be loaded for it? Which type are price and tax, all along?",
        "`@computed_field` adds a value that is computed; `Decimal.quantize(Decimal('0.01'), ROUND_HALF_UP)` rounds "
        "to cents; only the detail's query has `options(selectinload(Product.reviews))`.",
        "@computed_field\n"
        "@property\n"
        "def price_with_tax(self) -> Decimal:\n"
        "    exact = self.price * (100 + self.tax_percent) / 100\n"
        '    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)',
    ),
    misconceptions=(
        Misconception(
            "float-rounding",
            "You believe that round() on a float rounds money. 0.595 is not a float, its neighbour is below it, and "
            "the half cent is lost: stay with Decimal and quantize with ROUND_HALF_UP.",
            lambda seen: seen.rounds_like_a_float or seen.float_in_json,
        ),
        Misconception(
            "detail-in-list",
            "You believe that one model serves the list and the single product. Each line then drags along reviews "
            "that nobody reads there, by one more statement or by a wide join: give the list a summary of its own.",
            lambda seen: seen.list_reads_reviews is True,
        ),
    ),
)


@tax.act
async def show_list(attempt: Attempt, limit: int) -> list[Any]:
    """Call the student's list and return its JSON, read after the session is closed."""
    async with attempt.sessions() as session:
        found = list(await attempt.the("list_priced")(session, limit))
    return [one.model_dump(mode="json", by_alias=True) for one in found]


@tax.act
async def show_one(attempt: Attempt, product_id: int) -> Any:
    """Call the student's detail and return its JSON, read after the session is closed."""
    async with attempt.sessions() as session:
        found = await attempt.the("get_priced")(session, product_id)
    return None if found is None else found.model_dump(mode="json", by_alias=True)


def is_half(row: Row) -> bool:
    """Whether the price with tax lies exactly between two cents."""
    return bool(row["exact"] % CENT == CENT / 2)


async def seed(story: Story, number: int) -> list[Row]:
    """Seed products with reviews, every second one with half a cent to round; return what must be shown."""
    await story.create(CatalogueBase.metadata)
    draw, rows = story.random, list[Row]()
    for product_id in sorted(draw.sample(range(1, 10**6), number)):
        half = len(rows) % 2
        cents = draw.randint(1, 9_999) * 100 + 50 if half else draw.randint(1, 999_999)
        price, percent = Decimal(cents) / 100, Decimal(draw.choice((7, 19, 21) if half else (0, 7, 19, 20)))
        described = draw.choice((None, f"shade {draw.randint(1, 99)}"))
        row = {"id": product_id, "name": f"lamp {draw.randint(1, 10**6)}", "description": described}
        rows.append({**row, "price": price, "tax_percent": percent, "exact": price * (100 + percent) / 100})
    await story.write(insert(Product), [without(row, "exact") for row in rows])
    for row in rows:
        stars = [draw.randint(1, 5) for _ in range(draw.randint(0, 2))]
        row["reviews"] = [{"stars": one, "comment": f"comment {draw.randint(1, 10**6)}"} for one in stars]
    reviews = [{"product_id": row["id"], **review} for row in rows for review in row["reviews"]]
    if reviews:
        await story.write(insert(Review), reviews)
    return rows


def without(row: Mapping[str, Any], *names: str) -> Row:
    """Return a copy of the row that lacks some names."""
    return {name: value for name, value in row.items() if name not in names}


def summary(row: Row) -> Row:
    """Return the JSON of a product in the list."""
    with_tax = row["exact"].quantize(CENT, ROUND_HALF_UP)
    return {"product_id": row["id"], "product_name": row["name"], "price_with_tax": f"{with_tax:.2f}"}


def detail(row: Row) -> Row:
    """Return the JSON of a product by itself."""
    money = {name: f"{row[name]:.2f}" for name in ("price", "tax_percent")}
    return summary(row) | money | {"description": row["description"], "reviews": row["reviews"]}


def note_rounding(story: Story, rows: Iterable[Row], shown: Iterable[Mapping[str, Any]]) -> None:
    """Note whether the cents that are off are those that floats get wrong, now this way and now that."""
    pairs = [(row, one["price_with_tax"]) for row, one in zip(rows, shown, strict=True)]
    halves = [row["id"] for row, _ in pairs if is_half(row)]
    to_even = [row["id"] for row, _ in pairs if is_half(row) and int(row["exact"] * 100) % 2 == 0]
    off = [row["id"] for row, told in pairs if Decimal(str(told)) != Decimal(summary(row)["price_with_tax"])]
    story.saw(
        rounds_like_a_float=bool(off) and set(off) <= set(halves) and off not in (halves, to_even),
        float_in_json=any(isinstance(told, float) for _, told in pairs),
    )


def means_lazy(error: StudentError) -> bool:
    """Whether something was read that the query had not loaded; pydantic tells that in its own words."""
    return any("MissingGreenlet" in said for said in (*error.types, error.text))


async def ask_for_list(story: Story, limit: int) -> Answer:
    """Ask for the list, and note whether reviews were read for it."""
    call = f"list_priced(session, {limit})"
    answer = await story.ask(show_list, call=call, may_fail=True, limit=limit)
    read = any("reviews" in event["sql"] for event in answer.events if event["kind"] == "SQL")
    tried = answer.error is not None and means_lazy(answer.error)
    story.saw(list_reads_reviews=read or tried or story.seen.list_reads_reviews is True)
    if answer.error is not None:
        raise StudentCodeRaised(answer.error)
    return answer


@tax.scenario("200 prices with tax are exact to the cent", points=2)
async def cents_are_exact(story: Story) -> None:
    rows = (await seed(story, LIMIT + 20))[:LIMIT]
    answer = await ask_for_list(story, LIMIT)
    ids = [one["product_id"] for one in answer.value]
    story.equal(ids, [row["id"] for row in rows], "The list is not the first products in order of their ids.")
    note_rounding(story, rows, answer.value)
    for row, shown in zip(rows, answer.value, strict=True):
        sum_done = f"{row['price']:.2f} with {row['tax_percent']} % tax is {row['exact']:f}, rounded half up"
        wanted = summary(row)["price_with_tax"]
        story.equal(shown["price_with_tax"], wanted, f"A price is off: {sum_done}.")
        story.equal(shown, summary(row), "A line of the list is not the summary that was asked for.")


@tax.scenario("the list takes one statement, however long it is, and reads no reviews", points=2)
async def lists_are_cheap(story: Story) -> None:
    await seed(story, 40)
    for limit in (1, 10, 40):
        answer = await ask_for_list(story, limit)
        story.equal(len(answer.value), limit, "The list has another length than was asked for.")
        story.expect(answer.statements == 1, f"A list of {limit} takes too many statements.",
                     expected=1, observed=answer.statements)  # fmt: skip
        story.expect(not story.seen.list_reads_reviews, "The list reads reviews that it does not show.")


@tax.scenario("a detail shows everything about one product, in at most two statements")
async def details_are_whole(story: Story) -> None:
    rows = await seed(story, 12)
    for row in rows:
        call = f"get_priced(session, {row['id']})"
        answer = await story.ask(show_one, call=call, product_id=row["id"])
        story.equal(answer.value, detail(row), "The detail is not the product's.")
        story.expect(answer.statements <= 2, "A detail takes too many statements.",
                     expected="at most 2", observed=answer.statements)  # fmt: skip
    nowhere = rows[-1]["id"] + story.random.randint(1, 99)
    answer = await story.ask(
        show_one, call=f"get_priced(session, {nowhere}): there is none", product_id=nowhere
    )
    story.equal(answer.value, None, "A product that is not there is shown.")
