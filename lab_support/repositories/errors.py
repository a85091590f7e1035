"""What a repository can refuse, told without naming a database.

    RepositoryError
    ├── DuplicateError        another entity has the value that must be unique
    ├── BrokenReferenceError  it is still referred to, or refers to nothing
    └── UnknownColumnError    a change names no column that may be changed

After the first two, the transaction is to be rolled back. Failures of the database itself (no connection,
a deadlock) come out as they are: they have other remedies.

Section:
    13.3, "The protocol: what the service needs"
"""

from __future__ import annotations

from collections.abc import Iterable


class RepositoryError(Exception):
    """A repository understood what was asked, and refuses."""


class DuplicateError(RepositoryError):
    """Another entity has the value already."""

    def __init__(self, entity: str) -> None:
        super().__init__(f"Another {entity} has the same value where it must be unique; nothing was written.")
        self.entity = entity


class BrokenReferenceError(RepositoryError):
    """Something still refers to the entity, or the entity refers to something that is not there."""

    def __init__(self, entity: str) -> None:
        super().__init__(
            f"This {entity} is still referred to, or refers to something that is not there; nothing was written."
        )
        self.entity = entity


class UnknownColumnError(RepositoryError):
    """A change is meant for something that is no column, or for the id."""

    def __init__(self, entity: str, names: Iterable[str]) -> None:
        self.entity = entity
        self.names = sorted(names)
        super().__init__(
            f"{entity} has no column to change called {', '.join(self.names)}; nothing was written."
        )
