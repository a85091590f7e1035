"""13.3.4: provider and service, judged by whose transaction they work in and by what the service needs to run."""

from __future__ import annotations

import inspect
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_03.needs import NotHereError, Suitcase, sqlalchemy_missing, unpack
from lab_support.exercises.s13_03.one_request import concrete_class, discount_app, sessions_that_begin
from lab_support.exercises.story import Story
from lab_support.services.store.entities import Product, StoreBase

provider = Exercise(
    id="13.3.4",
    title="Provider and service",
    task="Give the endpoint a repository on its own session, and write a service that knows only the protocol.",
    student_writes=("product_repository", "ProductService"),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Two questions. Whose commit keeps what the repository wrote? What must be installed for the service to run?",
        "The provider asks for the request's session as an endpoint does: FastAPI makes it once per request and gives "
        "the same one to both. The service calls the protocol's methods and nothing behind them.",
        "def product_repository(session: Session) -> Products:\n    return SqlProducts(session)\n"
        "# in the service: product = await self._products.get_by_id(product_id), then set_price(...)",
    ),
    misconceptions=(
        Misconception(
            "names-the-concrete-class",
            "You believe that naming the class you use today does no harm. Then no other can take its place, least of "
            "all a test's: promise and expect the protocol.",
            lambda seen: seen.names_concrete is True,
        ),
        Misconception(
            "service-imports-sqlalchemy",
            "You believe that a service may reach for the database where the repository has no method for it. Then it "
            "runs on SQLAlchemy only: give the repository that method, and call it.",
            lambda seen: seen.needs_sqlalchemy and not seen.names_concrete,
        ),
        Misconception(
            "two-sessions",
            "You believe that any open session will do. What one session writes, another can neither commit nor roll "
            "back: take the endpoint's, by the same dependency.",
            lambda seen: (seen.foreign_sessions or 0) > 0,
        ),
    ),
)


@provider.act
async def discount_over_http(attempt: Attempt, product_id: int, percent: int, keep: bool) -> dict[str, Any]:
    """Send one request whose endpoint commits or rolls back, and count the sessions that are not the endpoint's."""
    met: dict[str, Any] = {}
    path = f"/products/{product_id}/discount?percent={percent}&keep={keep}"
    async with attempt.client(discount_app(attempt, met)) as client:
        with sessions_that_begin() as begun:
            answer = await client.post(path)
    foreign = {id(one) for one in begun if one is not met.get("session")} if met else set()
    return {"status": answer.status_code, "text": answer.text.strip('"'), "foreign": len(foreign)}


@provider.act
async def look_at_names(attempt: Attempt) -> dict[str, Any]:
    """Say what the provider promises, and whether provider or service names the class behind the protocol."""
    concrete = await concrete_class(attempt)
    promise = inspect.get_annotations(attempt.the("product_repository")).get("return", "")
    promised = re.findall(r"\w+", inspect.formatannotation(promise))
    luggage = Suitcase((attempt.the("product_repository"), concrete), without_sqlalchemy=True)
    luggage.pack(attempt.the("ProductService"))
    return {
        "concrete": concrete.__name__,
        "promised": promised,
        "by_service": concrete in luggage.met_left_behind,
        "sqlalchemy": sorted(set(luggage.met_sqlalchemy)),
    }


class _FakeProducts:
    """Prices in a dict, under the two methods of the protocol; it hands out copies."""

    def __init__(self, prices: dict[int, Decimal]) -> None:
        self._prices = prices

    async def get_by_id(self, product_id: int) -> Any:
        price = self._prices.get(product_id)
        return None if price is None else SimpleNamespace(id=product_id, name="a fake", price=price)

    async def set_price(self, product_id: int, price: Decimal) -> None:
        self._prices[product_id] = price


@provider.act
async def serve_with_a_fake(attempt: Attempt, product_id: int, price: str, percent: int) -> dict[str, Any]:
    """Run the service on a fake where SQLAlchemy can't be imported; for a process of its own."""
    left = (attempt.the("product_repository"), await concrete_class(attempt))
    packed = Suitcase(left).pack(attempt.the("ProductService"))
    prices, before = {product_id: Decimal(price)}, len(attempt.trace.statements)
    seen: dict[str, Any] = {"missing": None, "unknown": []}
    with sqlalchemy_missing():
        try:
            service = unpack(packed)(_FakeProducts(prices))
            seen["price"] = str(await service.price_of(product_id))
            seen["discounted"] = str(await service.discount(product_id, percent))
            for method, more in ((service.price_of, ()), (service.discount, (percent,))):
                seen["unknown"].append(await _error_of(method(product_id + 1, *more)))
        except (ImportError, NotHereError) as error:
            seen["missing"] = "sqlalchemy" if "sqlalchemy" in str(error) else str(error)
    seen |= {"kept": str(prices[product_id]), "exact": isinstance(prices[product_id], Decimal)}
    return seen | {"statements": len(attempt.trace.statements) - before}


async def _error_of(ask: Any) -> str:
    try:
        return f"no error, but {await ask}"
    except LookupError:
        return "LookupError"


async def _two_products(story: Story) -> list[dict[str, Any]]:
    await story.create(StoreBase.metadata)
    ids = story.random.sample(range(1_000, 900_000), 2)
    rows = [{"id": one, "name": f"p{one}", "price": Decimal(story.random.randint(2, 900))} for one in ids]
    await story.write(insert(Product), rows)
    return rows


@provider.scenario("what the repository wrote is the endpoint's to commit and to roll back", points=2)
async def one_transaction(story: Story) -> None:
    percent = story.random.randint(1, 9) * 10
    for row, keep in zip(await _two_products(story), (True, False), strict=True):
        number, price = row["id"], row["price"]
        end = "commits" if keep else "rolls back"
        answer = await story.ask(
            discount_over_http, call=f"a discount of {percent} % over HTTP; the endpoint {end}",
            product_id=number, percent=percent, keep=keep,
        )  # fmt: skip
        story.saw(foreign_sessions=max(answer["foreign"], story.seen.foreign_sessions or 0))
        story.equal(answer["status"], 200, "The request fails.")
        lowered = price * (100 - percent) / 100
        story.equal(Decimal(answer["text"]), lowered, "`discount` does not return the new price.")
        found = await story.rows(select(Product.price).where(Product.id == number))
        wanted = lowered if keep else price
        story.equal(found[0]["price"], wanted, f"The endpoint {end}, and the table holds another price.")
    story.equal(story.seen.foreign_sessions, 0, "A session was used that is not the endpoint's.")


@provider.scenario("provider and service name the protocol, and neither the class behind it nor SQLAlchemy")
async def names_the_protocol(story: Story) -> None:
    await story.create(StoreBase.metadata)
    answer = await story.ask(
        look_at_names, call="what product_repository promises and ProductService refers to"
    )
    by_provider = answer["concrete"] in answer["promised"]
    story.saw(names_concrete=by_provider or answer["by_service"], needs_sqlalchemy=bool(answer["sqlalchemy"]))
    story.expect(
        answer["promised"], "`product_repository` does not say what it returns.",
        expected="an annotation with the protocol", observed="none",
    )  # fmt: skip
    culprit = "product_repository promises" if by_provider else "ProductService refers to"
    story.expect(
        not story.seen.names_concrete, f"{culprit} the concrete class.",
        expected="the protocol", observed=answer["concrete"],
    )  # fmt: skip
    story.expect(
        not answer["sqlalchemy"], "ProductService refers to something of SQLAlchemy's.",
        expected="nothing of it", observed=", ".join(answer["sqlalchemy"]),
    )  # fmt: skip


@provider.scenario("the service runs on a fake, without SQLAlchemy and in zero statements", points=2)
async def runs_on_a_fake(story: Story) -> None:
    number, percent = story.random.randint(1, 900), story.random.randint(1, 9) * 10
    price = Decimal(story.random.randint(2, 900))
    answer = await story.ask(
        serve_with_a_fake, call="ProductService(a fake) in a process without SQLAlchemy", fresh_process=True,
        product_id=number, price=str(price), percent=percent,
    )  # fmt: skip
    if answer["missing"] == "sqlalchemy":
        story.saw(needs_sqlalchemy=True)
    story.equal(answer["missing"], None, "ProductService does not run without a database.")
    lowered = price * (100 - percent) / 100
    got = [Decimal(answer[name]) for name in ("price", "discounted", "kept")]
    wanted = [price, lowered, lowered]
    story.equal(got, wanted, "Price before, price returned and price in the fake are not as they should be.")
    story.expect(answer["exact"], "The price that the fake was given is not exact.", expected="a Decimal")
    story.equal(answer["unknown"], ["LookupError"] * 2, "An unknown product is not a LookupError.")
    story.equal(answer["statements"], 0, "The service sent statements to a database.")
