"""Every repository of products under the one contract."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.repository import (
    InMemoryProductRepository,
    ProductRepository,
    SqlAlchemyProductRepository,
)
from tests.repositories.contract import ProductRepositoryContract


class TestInMemory(ProductRepositoryContract):
    @pytest.fixture
    def products(self) -> ProductRepository:
        return InMemoryProductRepository()


class TestSqlAlchemy(ProductRepositoryContract):
    """On SQLite, PostgreSQL and MariaDB."""

    @pytest.fixture
    def products(self, session: AsyncSession) -> ProductRepository:
        return SqlAlchemyProductRepository(session)
