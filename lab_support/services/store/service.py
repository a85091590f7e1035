"""What the store does: one method per use case, the only place that commits.

A service names its repositories by their protocol and gets the commit of their transaction as a function
(docs/decisions/0007). It knows neither sessions nor SQL.

Section:
    13.3, "The service, tested without a database"
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lab_support.repositories import BrokenReferenceError, DuplicateError, KeysetPage
from lab_support.services.store.dtos import UserCreate
from lab_support.services.store.entities import Order, Product, User
from lab_support.services.store.errors import (
    EmailTakenError,
    EmptyUpdateError,
    OrderNotFoundError,
    ProductInUseError,
    ProductNotFoundError,
    UserNotFoundError,
)
from lab_support.services.store.mapping import new_user
from lab_support.services.store.passwords import hash_password
from lab_support.services.store.repository import (
    OrderRepository,
    OrderSearch,
    ProductRepository,
    ProductSearch,
    UserRepository,
)

Commit = Callable[[], Awaitable[None]]
"""Ends the transaction in which the repositories work, and keeps what they wrote."""


class ProductService:
    """The use cases of products, in one transaction."""

    def __init__(self, products: ProductRepository, commit: Commit) -> None:
        self._products = products
        self._commit = commit

    async def create(self, columns: Mapping[str, Any]) -> Product:
        """Store a new product and give it its id."""
        product = await self._products.create(Product(**columns))
        await self._commit()
        return product

    async def get(self, product_id: int) -> Product:
        """Read one product.

        Raises:
            ProductNotFoundError: No product has this id.
        """
        product = await self._products.get_by_id(product_id)
        if product is None:
            raise ProductNotFoundError(product_id)
        return product

    async def browse(
        self, search: ProductSearch, *, skip: int = 0, after: int | None = None, limit: int = 20
    ) -> KeysetPage[Product, int]:
        """Read one page of products in the order of their ids: after an id, or after leaving out `skip`."""
        if not skip:
            return await self._products.page(search, after=after, limit=limit)
        found = await self._products.find(search, skip=skip, limit=limit + 1)
        page = found[:limit]
        return KeysetPage(page, page[-1].id if len(found) > limit else None)

    async def change(self, product_id: int, columns: Mapping[str, Any]) -> Product:
        """Set the given columns of a product and leave the others as they are.

        Raises:
            EmptyUpdateError: There is no column to set.
            ProductNotFoundError: No product has this id.
        """
        if not columns:
            raise EmptyUpdateError(product_id)
        product = await self._products.update(product_id, columns)
        if product is None:
            raise ProductNotFoundError(product_id)
        await self._commit()
        return product

    async def delete(self, product_id: int) -> None:
        """Delete a product that no order refers to.

        Raises:
            ProductInUseError: At least one order item refers to it.
            ProductNotFoundError: No product has this id.
        """
        try:
            deleted = await self._products.delete(product_id)
        except BrokenReferenceError as error:
            raise ProductInUseError(product_id) from error
        if not deleted:
            raise ProductNotFoundError(product_id)
        await self._commit()


class UserService:
    """The use cases of users, in one transaction."""

    def __init__(self, users: UserRepository, commit: Commit) -> None:
        self._users = users
        self._commit = commit

    async def register(self, wanted: UserCreate) -> User:
        """Store a new user with the hash of the password.

        Nobody asks first whether the address is free: between the answer and the writing another request could take it.
        The table decides.

        Raises:
            EmailTakenError: Another user has this address.
        """
        password_hash = await asyncio.to_thread(hash_password, wanted.password.get_secret_value())
        try:
            user = await self._users.create(new_user(wanted, password_hash))
        except DuplicateError as error:
            raise EmailTakenError from error
        await self._commit()
        return user

    async def get(self, user_id: int) -> User:
        """Read one user.

        Raises:
            UserNotFoundError: No user has this id.
        """
        user = await self._users.get_by_id(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        return user


class OrderBook:
    """The orders that were placed, to look at; `ordering.OrderService` places them."""

    def __init__(self, orders: OrderRepository) -> None:
        self._orders = orders

    async def get(self, order_id: int) -> Order:
        """Read one order with its items and their products.

        Raises:
            OrderNotFoundError: No order has this id.
        """
        order = await self._orders.get_by_id(order_id)
        if order is None:
            raise OrderNotFoundError(order_id)
        return order

    async def browse(
        self, search: OrderSearch, *, after: int | None = None, limit: int = 20
    ) -> KeysetPage[Order, int]:
        """Read one page of orders, oldest first; a user who is not known has none."""
        return await self._orders.page(search, after=after, limit=limit)
