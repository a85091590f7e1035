"""The store's collections in memory, for tests of its services.

Section:
    13.3, "In memory: a dictionary that behaves"
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

from lab_support.database import utc_now
from lab_support.repositories import InMemoryRepository, KeysetPage
from lab_support.services.store.entities import Product, User
from lab_support.services.store.repository.protocols import ProductRepository, ProductSearch, UserRepository

_TIMES = {"created_at": utc_now, "updated_at": utc_now}


class InMemoryProductRepository(InMemoryRepository[Product, int]):
    """Products in a dictionary, with the table's defaults."""

    def __init__(self) -> None:
        super().__init__(
            Product,
            new_id=count(1).__next__,
            defaults={"category": lambda: "general", "stock": int, "is_available": lambda: True, **_TIMES},
            on_update={"updated_at": utc_now},
        )

    async def get_by_name(self, name: str, /) -> Product | None:
        """Give the oldest product with exactly this name."""
        return next(iter(self._find(lambda product: product.name == name, limit=1)), None)

    async def find(self, search: ProductSearch, /, *, skip: int = 0, limit: int = 100) -> Sequence[Product]:
        """Give at most `limit` of the products meant, after leaving out `skip`."""
        return self._find(lambda product: _is_meant(product, search), skip=skip, limit=limit)

    async def page(
        self, search: ProductSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Product, int]:
        """Give at most `limit` of the products meant, from those with an id above `after`."""
        return self._page(lambda product: _is_meant(product, search), after=after, limit=limit)


def _is_meant(product: Product, search: ProductSearch) -> bool:
    return (
        (search.category is None or product.category == search.category)
        and (search.min_price is None or product.price >= search.min_price)
        and (search.max_price is None or product.price <= search.max_price)
        and (search.name_contains or "").lower() in product.name.lower()
    )


class InMemoryUserRepository(InMemoryRepository[User, int]):
    """Users in a dictionary, with the table's defaults and its one unique column."""

    def __init__(self) -> None:
        super().__init__(
            User,
            new_id=count(1).__next__,
            defaults={"balance": lambda: Decimal("0.00"), **_TIMES},
            on_update={"updated_at": utc_now},
            unique=("email",),
        )

    async def get_by_email(self, email: str, /) -> User | None:
        """Give the user with this address."""
        return next(iter(self._find(lambda user: user.email == email, limit=1)), None)


if TYPE_CHECKING:  # nothing inherits from a protocol, so here is where a type checker compares
    _products: ProductRepository = InMemoryProductRepository()
    _users: UserRepository = InMemoryUserRepository()
