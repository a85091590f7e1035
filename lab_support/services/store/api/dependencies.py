"""What the routes are given: from the request's one session to repositories, and from these to services.

Every provider asks for the same `Session`, so that one request has one: the repositories work in it, and its commit
is the service's. A provider returns a protocol; the class behind it is named here and nowhere else.

Section:
    13.3, "The provider: FastAPI gives the protocol, and the same session"
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.database.sessions import sessions_of
from lab_support.services.store.ordering import OrderService
from lab_support.services.store.repository import (
    OrderRepository,
    ProductRepository,
    SqlAlchemyOrderRepository,
    SqlAlchemyProductRepository,
    SqlAlchemyUserRepository,
    UserRepository,
)
from lab_support.services.store.service import Commit, OrderBook, ProductService, UserService

Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
"""The request's session, closed before the answer is sent. With another scope it would be another session."""


def commit(session: Session) -> Commit:
    """Give the service the one thing it does with a session."""
    return session.commit


def product_repository(session: Session) -> ProductRepository:
    """Give this request its products."""
    return SqlAlchemyProductRepository(session)


def user_repository(session: Session) -> UserRepository:
    """Give this request its users."""
    return SqlAlchemyUserRepository(session)


def order_repository(session: Session) -> OrderRepository:
    """Give this request its orders."""
    return SqlAlchemyOrderRepository(session)


def product_service(
    products: Annotated[ProductRepository, Depends(product_repository)],
    commit: Annotated[Commit, Depends(commit)],
) -> ProductService:
    """Give the endpoint the use cases of products."""
    return ProductService(products, commit)


def user_service(
    users: Annotated[UserRepository, Depends(user_repository)],
    commit: Annotated[Commit, Depends(commit)],
) -> UserService:
    """Give the endpoint the use cases of users."""
    return UserService(users, commit)


def order_book(orders: Annotated[OrderRepository, Depends(order_repository)]) -> OrderBook:
    """Give the endpoint the orders that were placed."""
    return OrderBook(orders)


def order_service(request: Request) -> OrderService:
    """Give the endpoint the use case of ordering, which opens a unit of work of its own for each attempt."""
    return OrderService(sessions_of(request))
