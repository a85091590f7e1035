"""What the store asks of its collections; whoever can answer is a repository, without inheriting from anything.

Section:
    13.3, "The protocol: what the service needs"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from lab_support.repositories import KeysetPage, Repository
from lab_support.services.store.entities import Order, Product, User


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSearch:
    """Which products are meant: those for which everything given holds; nothing given means all.

    Attributes:
        category: Exactly this one.
        min_price: At least this much.
        max_price: At most this much.
        name_contains: Text in the name, taken literally (`%` and `_` too) and whatever its capitals; SQLite knows
            the capitals of A to Z only.
    """

    category: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    name_contains: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSearch:
    """Which orders are meant: those of one user."""

    user_id: int


class ProductRepository(Repository[Product, int], Protocol):
    """The shop's products."""

    async def get_by_name(self, name: str, /) -> Product | None:
        """Give the oldest product with exactly this name; names are not unique."""
        ...

    async def find(self, search: ProductSearch, /, *, skip: int = 0, limit: int = 100) -> Sequence[Product]:
        """Give at most `limit` of the products meant, in the order of their ids, after leaving out `skip`.

        Raises:
            ValueError: `skip` is below 0 or `limit` below 1.
        """
        ...

    async def page(
        self, search: ProductSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Product, int]:
        """Give at most `limit` of the products meant, from those with an id above `after`.

        Raises:
            ValueError: `limit` is below 1.
        """
        ...


class UserRepository(Repository[User, int], Protocol):
    """Those who have an account; no two have one e-mail address."""

    async def get_by_email(self, email: str, /) -> User | None:
        """Give the user with this address, which is in lower case."""
        ...


class OrderRepository(Protocol):
    """The shop's orders. An order comes with its items and their products: they have no repository of their own."""

    async def get_by_id(self, order_id: int, /) -> Order | None:
        """Give the whole order with this id, if there is one."""
        ...

    async def page(
        self, search: OrderSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Order, int]:
        """Give at most `limit` of the orders meant, whole, from those with an id above `after`.

        Raises:
            ValueError: `limit` is below 1.
        """
        ...
