"""13.3.5: keyset pages, judged by walking them while others insert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, insert

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_03.rows_fetched import RowsFetched
from lab_support.exercises.story import Answer, Story
from lab_support.services.store.entities import Product, StoreBase

LIMIT = 4

keyset = Exercise(
    id="13.3.5",
    title="Keyset pages",
    task="Turn pages by price so that nobody misses or meets a product twice while others change the shop.",
    student_writes=("page_of_products",),
    witness="answers",
    hints=(
        "What does your cursor say: how many products came before, or which product came last? And is that unique?",
        "Keep price and id of the last product in the cursor. The next page begins after that pair; fetch one more "
        "than you show, and you know whether there is a next page.",
        "price, _, number = after.partition('/')\n"
        "behind = tuple_(Product.price, Product.id) > tuple_(Decimal(price), int(number))\n"
        "query = query.where(behind).order_by(Product.price, Product.id).limit(limit + 1)",
    ),
    misconceptions=(
        Misconception(
            "offset-pages",
            "You believe that a place in the list stays a place. When somebody inserts before it, everything moves, "
            "and OFFSET repeats or skips products: begin behind the last one shown.",
            lambda seen: seen.calm_is_right and seen.equal_is_right and seen.moved,
        ),
        Misconception(
            "non-unique-key",
            "You believe that the price alone tells where a page ended. Products of the same price then fall between "
            "two pages, or come twice: compare and order by (price, id).",
            lambda seen: seen.calm_is_right and seen.equal_are_lost,
        ),
    ),
)


@keyset.act
async def turn_page(attempt: Attempt, after: str | None, limit: int) -> dict[str, Any]:
    """Ask for one page in a session of its own, as a request would, and count the rows that it takes."""
    async with attempt.sessions() as session:
        with RowsFetched(attempt.engine) as fetched:
            items, following = await attempt.the("page_of_products")(session, after, limit)
        ids = [product.id for product in items]
    text = following is None or isinstance(following, str)
    return {
        "ids": ids,
        "next": following if text else "",
        "cursor": type(following).__name__,
        "fetched": fetched.count,
    }


@dataclass(frozen=True, slots=True)
class Walk:
    """The ids that the pages showed, in their order, and whether the pages came to an end."""

    met: list[int]
    ends: bool

    def missed(self, ids: list[int]) -> int:
        """Count those of `ids` that no page showed."""
        return len({*ids} - {*self.met})

    def repeated(self) -> int:
        """Count the ids that came more than once."""
        return sum(self.met.count(one) > 1 for one in {*self.met})


async def seed(story: Story, prices: list[Decimal]) -> list[int]:
    """Seed a product for each price, in no order, and return the ids by price and id."""
    await story.create(StoreBase.metadata)
    ids = story.random.sample(range(1_000, 900_000), len(prices))
    priced = list(zip(prices, ids, strict=True))
    await story.write(
        insert(Product), [{"id": one, "name": f"p{one}", "price": price} for price, one in priced]
    )
    return [one for _, one in sorted(priced)]


async def walk(story: Story, between: Callable[[list[int]], Awaitable[None]] | None = None) -> Walk:
    """Turn pages until there are no more, with something done after each."""
    met: list[int] = []
    after: str | None = None
    for page in range(1, 20):
        call = f"page {page}: page_of_products(session, {after!r}, {LIMIT})"
        answer = await story.ask(turn_page, call=call, after=after, limit=LIMIT)
        _is_a_page(story, answer)
        met += answer["ids"]
        after = answer["next"]
        if after is None:
            return Walk(met, ends=True)
        if between is not None:
            await between(met)
    return Walk(met, ends=False)


def _is_a_page(story: Story, answer: Answer) -> None:
    kind, shown, fetched = answer["cursor"], len(answer["ids"]), answer["fetched"]
    story.expect(
        kind in ("str", "NoneType"), "The cursor is not text.", expected="str or None", observed=kind
    )
    story.expect(shown <= LIMIT, "A page is too long.", expected=f"at most {LIMIT}", observed=shown)
    story.expect(
        fetched <= LIMIT + 1, "A page takes more rows than it shows and one.",
        expected=f"at most {LIMIT + 1} rows fetched", observed=f"{fetched} rows fetched",
    )  # fmt: skip


def _each_once(story: Story, walked: Walk, ids: list[int], why: str) -> None:
    """Go on when the pages ended and every one of `ids` was met once, in that order."""
    story.expect(walked.ends, "The pages never end.", expected="None after the last page")
    missed, repeated = walked.missed(ids), walked.repeated()
    story.expect(
        not missed and not repeated, f"Products are missed or come twice, {why}.",
        expected=f"{len(ids)} products, each once", observed=f"{missed} missed, {repeated} twice or more",
    )  # fmt: skip
    order = [one for one in walked.met if one in ids]
    story.expect(order == ids, "The products are not in the order of price, then id.")


def _prices(story: Story, number: int) -> list[Decimal]:
    """Draw prices of which no two are equal, in no order."""
    return [Decimal(cents) / 100 for cents in story.random.sample(range(1_000, 90_000), number)]


@keyset.scenario("in a quiet shop the pages show every product once, the cheapest first")
async def quiet(story: Story) -> None:
    ids = await seed(story, _prices(story, 14))
    walked = await walk(story)
    story.saw(calm_is_right=walked.ends and walked.met == ids)
    _each_once(story, walked, ids, "though nothing happened")


@keyset.scenario("products of the same price are neither missed nor repeated")
async def equal_prices(story: Story) -> None:
    cheap, dear = sorted(_prices(story, 2))
    prices = [cheap] * 6 + [dear] * 7
    story.random.shuffle(prices)
    ids = await seed(story, prices)
    walked = await walk(story)
    missed, repeated = walked.missed(ids), walked.repeated()
    story.saw(
        equal_is_right=walked.ends and not missed and not repeated,
        equal_are_lost=missed > 0 and repeated == 0,
    )
    _each_once(story, walked, ids, "where prices are equal")


@keyset.scenario("no product is missed or repeated while others change the shop", on="postgresql", points=2)
async def busy(story: Story) -> None:
    ids = await seed(story, _prices(story, 14))
    numbers = story.random.sample(range(900_001, 999_999), 12)

    async def others_work(met: list[int]) -> None:
        """After each of the first pages add two products cheaper than all and one dearer; once, remove one shown."""
        for price in ("0.80", "0.90", "1000.00") if numbers else ():
            number = numbers.pop()
            new = {"id": number, "name": f"n{number}", "price": Decimal(price)}
            await story.write(insert(Product), [new])
        if len(met) == LIMIT * 2:
            await story.write(delete(Product).where(Product.id == met[0]))

    walked = await walk(story, others_work)
    story.saw(moved=bool(walked.repeated() or walked.missed(ids)))
    _each_once(story, walked, ids, "while others insert and delete")
