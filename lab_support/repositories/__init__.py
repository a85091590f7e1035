"""Repositories: a service's collection of entities, whatever keeps them (sections 13.3 and 13.7).

Here are the parts that know no service: the protocol, a base over SQLAlchemy, and one in memory. May import `database`.
"""

from lab_support.repositories.errors import (
    BrokenReferenceError,
    DuplicateError,
    RepositoryError,
    UnknownColumnError,
)
from lab_support.repositories.in_memory import InMemoryRepository
from lab_support.repositories.protocol import KeysetPage, Repository
from lab_support.repositories.sqlalchemy import SqlAlchemyRepository

__all__ = [
    "BrokenReferenceError",
    "DuplicateError",
    "InMemoryRepository",
    "KeysetPage",
    "Repository",
    "RepositoryError",
    "SqlAlchemyRepository",
    "UnknownColumnError",
]
