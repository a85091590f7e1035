"""The store's collections: what each can be asked (`protocols`), and what answers (`sql`, `memory`).

The service names the protocols; `api.dependencies` chooses.

Section:
    13.3, "Repository"
"""

from lab_support.services.store.repository.memory import InMemoryProductRepository, InMemoryUserRepository
from lab_support.services.store.repository.protocols import (
    OrderRepository,
    OrderSearch,
    ProductRepository,
    ProductSearch,
    UserRepository,
)
from lab_support.services.store.repository.sql import (
    SqlAlchemyOrderRepository,
    SqlAlchemyProductRepository,
    SqlAlchemyUserRepository,
)

__all__ = [
    "InMemoryProductRepository",
    "InMemoryUserRepository",
    "OrderRepository",
    "OrderSearch",
    "ProductRepository",
    "ProductSearch",
    "SqlAlchemyOrderRepository",
    "SqlAlchemyProductRepository",
    "SqlAlchemyUserRepository",
    "UserRepository",
]
