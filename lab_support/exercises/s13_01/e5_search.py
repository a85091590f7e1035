"""13.1.5: a search that takes every term literally, judged by what it returns and by what is left of the table."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import func, insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story
from lab_support.services.store.entities import Product, StoreBase

search = Exercise(
    id="13.1.5",
    title="A safe search",
    task="Find products whose name contains a term, whatever characters the term is made of.",
    student_writes=("search_products",),
    witness="answers",
    hints=(
        "Where does your term become part of the statement? Trace it: is it in the SQL, or among the parameters?",
        "A term is data: let SQLAlchemy bind it. In LIKE, `%` and `_` are wildcards until they are escaped.",
        "select(Product).where(Product.name.icontains(term, autoescape=True)).order_by(Product.id)",
    ),
    misconceptions=(
        Misconception(
            "f-string-sql",
            "You believe that a term is only text. Inside the statement it is SQL, and a stranger writes it. Pass it "
            "as a bound parameter: a column expression, or text() with :term.",
            lambda seen: seen.finds_a_plain_term and seen.term_became_sql,
        ),
        Misconception(
            "unescaped-like",
            "You believe that a bound parameter makes LIKE literal. `%` and `_` inside it are still wildcards: "
            "use icontains(term, autoescape=True), or escape them yourself.",
            lambda seen: seen.finds_a_plain_term and seen.wildcards_matched and not seen.term_became_sql,
        ),
    ),
)


@search.act
async def find(attempt: Attempt, term: str) -> list[str]:
    """Search with the student's function, keep what it did, and return the names it found."""
    async with attempt.sessions() as session:
        found = list(await attempt.the("search_products")(session, term))
        names = [product.name for product in found]
        await session.commit()
    return names


async def _seed(story: Story) -> list[str]:
    await story.create(StoreBase.metadata)
    mark = story.random.randint(1000, 9999)
    names = [
        f"Desk lamp {mark}",
        f"100% wool {mark}",
        f"snake_case {mark}",
        f"back\\slash {mark}",
        f"O'Brien's mug {mark}",
    ]
    rows = [{"name": name, "price": Decimal(3), "stock": 1, "is_available": True} for name in names]
    await story.write(insert(Product), rows)
    return names


@search.scenario("a term finds the names that contain it, whatever its capitals")
async def finds(story: Story) -> None:
    names = await _seed(story)
    mark = names[0][-4:]
    for term, wanted in (("LAMP", names[:1]), (mark, names), ("no such thing", []), ("o'brien", names[4:])):
        answer = await story.ask(find, call=f"search_products(session, {term!r})", term=term)
        story.equal(sorted(answer.value), sorted(wanted), "The search does not find what contains the term.")
        story.saw(finds_a_plain_term=True)


@search.scenario("a hostile term returns nothing and changes nothing", points=2)
async def withstands(story: Story) -> None:
    await _seed(story)
    number = story.random.randint(100, 999)
    hostile = (
        f"x' OR {number}={number} --",
        f"x' UNION SELECT id, name, name, 1, 1, 1, id, id FROM products WHERE {number}={number} --",  # noqa: S608
        "x'; DROP TABLE order_items; --",
        "x%' OR '1'='1",
    )
    for term in hostile:
        answer = await story.ask(find, call=f"search_products(session, {term!r})", may_fail=True, term=term)
        story.saw(
            term_became_sql=bool(answer.value) or answer.error is not None or story.seen.term_became_sql
        )
        observed = answer.error.text if answer.error else f"{len(answer.value)} products"
        story.expect(not answer.error and answer.value == [], "A hostile term was not taken as text.",
                     expected="no products", observed=observed)  # fmt: skip
    left = (await story.rows(select(func.count().label("products")).select_from(Product)))[0]["products"]
    story.equal(left, 5, "The search changed the table.")


@search.scenario("%, _ and \\ are characters like any other")
async def takes_wildcards_literally(story: Story) -> None:
    names = await _seed(story)
    for term, wanted in (("%", names[1]), ("_", names[2]), ("\\", names[3])):
        answer = await story.ask(find, call=f"search_products(session, {term!r})", term=term)
        matched = sorted(answer.value)
        story.saw(wildcards_matched=matched != [wanted] or story.seen.wildcards_matched)
        story.equal(matched, [wanted], f"{term!r} was not taken literally.")
