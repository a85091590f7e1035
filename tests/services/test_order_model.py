"""The store's orders beside a plain model of them: after every step, whatever the steps, both say the same."""

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import update

from lab_support.database import InjectedError, build_engine, fault, session_factory
from lab_support.services.store.entities import Product, User
from lab_support.services.store.errors import (
    IdempotencyKeyReusedError,
    InsufficientPaymentError,
    ProductNotFoundError,
    ProductOutOfStockError,
    StoreError,
    UserNotFoundError,
)
from lab_support.services.store.ordering import OrderService
from tests.services.selling import open_shop, read_books

amounts = (st.integers(0, 9) | st.integers(0, 30)).map(
    lambda tenths: Decimal(tenths) / 10
)  # 0.30 - 0.10 is 0.20
products, users = st.integers(1, 4), st.integers(1, 3)  # the last of each does not exist
orders = st.lists(st.tuples(products, st.integers(1, 4)), min_size=1, max_size=4)
keys = st.none() | st.sampled_from("ab")
places = st.integers(1, 12).map(lambda k: {"after_statement": k}) | st.sampled_from(
    [{"at_commit": True}, {"after_commit": True}]
)
Lines = list[tuple[int, int]]


class ShopModel:
    """A shop in three dictionaries."""

    def __init__(
        self, stock: dict[int, int], prices: dict[int, Decimal], balances: dict[int, Decimal]
    ) -> None:
        self.stock, self.prices, self.balances = stock, prices, balances
        self.orders = 0
        self.answered: dict[str, tuple[Any, Decimal]] = {}

    def order(self, user: int, lines: Lines, key: str | None) -> Decimal | type[StoreError]:
        """Place an order; return what it cost, or why it was refused."""
        wanted: dict[int, int] = {}
        for product, quantity in lines:
            wanted[product] = wanted.get(product, 0) + quantity
        meant = (user, sorted(wanted.items()))
        if key in self.answered:
            first, cost = self.answered[key]
            return cost if first == meant else IdempotencyKeyReusedError
        for product, quantity in sorted(wanted.items()):
            if product not in self.stock:
                return ProductNotFoundError
            if self.stock[product] < quantity:
                return ProductOutOfStockError
        cost = sum((self.prices[product] * quantity for product, quantity in wanted.items()), Decimal())
        if user not in self.balances:
            return UserNotFoundError
        if self.balances[user] < cost:
            return InsufficientPaymentError
        for product, quantity in wanted.items():
            self.stock[product] -= quantity
        self.balances[user] -= cost
        self.orders += 1
        if key is not None:
            self.answered[key] = meant, cost
        return cost


class ShopMachine(RuleBasedStateMachine):
    """Orders, changed prices, deliveries, pay-ins and faults, in any sequence."""

    @initialize(
        stock=st.tuples(*[st.integers(0, 9)] * 3),
        prices=st.tuples(*[amounts] * 3),
        money=st.tuples(amounts, amounts),
    )
    def open(self, stock: Any, prices: Any, money: Any) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.engine = build_engine(f"sqlite:///{Path(self.folder.name) / 'shop.db'}")
        self.service = OrderService(session_factory(self.engine))
        self.model = ShopModel(*(dict(enumerate(values, 1)) for values in (stock, prices, money)))
        amounts = [[str(amount) for amount in amounts] for amounts in (prices, money)]
        self.loop.run(open_shop(self.engine, stock=stock, prices=amounts[0], balances=amounts[1]))

    @rule(user=users, lines=orders, key=keys)
    def order(self, user: int, lines: Lines, key: str | None) -> None:
        assert self.placed(user, lines, key) == self.model.order(user, lines, key)

    @rule(user=st.just(1), lines=orders, key=keys, place=places)
    def order_and_fail(self, user: int, lines: Lines, key: str | None, place: dict[str, Any]) -> None:
        try:
            with fault(self.engine, **place):
                seen = self.placed(user, lines, key)
        except InjectedError:
            if "after_commit" in place:
                self.model.order(user, lines, key)
        else:
            assert seen == self.model.order(user, lines, key)

    @rule(product=st.integers(1, 3), price=amounts)
    def change_price(self, product: int, price: Decimal) -> None:
        self.model.prices[product] = price
        self.execute(update(Product).where(Product.id == product).values(price=price))

    @rule(product=st.integers(1, 3), pieces=st.integers(1, 3))
    def deliver(self, product: int, pieces: int) -> None:
        self.model.stock[product] += pieces
        self.execute(update(Product).where(Product.id == product).values(stock=self.model.stock[product]))

    @rule(user=st.integers(1, 2), amount=amounts)
    def pay_in(self, user: int, amount: Decimal) -> None:
        self.model.balances[user] += amount
        self.execute(update(User).where(User.id == user).values(balance=self.model.balances[user]))

    @invariant()
    def both_say_the_same(self) -> None:
        if not hasattr(self, "model"):
            return
        books = self.loop.run(read_books(self.engine))
        assert books.stock == tuple(self.model.stock.values())
        assert books.balances == tuple(self.model.balances.values())
        assert books.orders == self.model.orders
        assert books.keys == len(self.model.answered)
        assert books.sold_for == books.paid
        assert self.engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.loop.run(self.engine.dispose())
            self.loop.close()
            self.folder.cleanup()

    def placed(self, user: int, lines: Lines, key: str | None) -> Decimal | type[StoreError]:
        try:
            return self.loop.run(self.service.place_order(user, lines, idempotency_key=key)).total
        except StoreError as refusal:
            return type(refusal)

    def execute(self, statement: Any) -> None:
        async def change() -> None:
            async with self.engine.begin() as connection:
                await connection.execute(statement)

        self.loop.run(change())


TestShop = ShopMachine.TestCase
TestShop.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
