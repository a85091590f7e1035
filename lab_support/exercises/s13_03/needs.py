"""What a class needs in order to run, found by packing it up and unpacking it where SQLAlchemy is missing.

The evidence is the objects that the class's methods refer to. Its text is never read.

Section:
    13.3, "The service, tested without a database"
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle


class NotHereError(Exception):
    """Something that was left behind on purpose was used."""


class LeftBehind:
    """Stands for an object that was not packed."""

    def __init__(self, *_: object, **__: object) -> None:
        raise NotHereError("This needs a database, and here there is none.")


class Suitcase(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Packs an object with all it refers to, and notes what it meets on the way.

    Attributes:
        met_left_behind: Those of the objects to be left behind that it refers to.
        met_sqlalchemy: Names of what it refers to in SQLAlchemy; left behind too when `without_sqlalchemy` is set.
    """

    def __init__(self, left_behind: tuple[object, ...] = (), *, without_sqlalchemy: bool = False) -> None:
        self._packed = io.BytesIO()
        super().__init__(self._packed)
        self._left_behind, self._without = left_behind, without_sqlalchemy
        self.met_left_behind: list[object] = []
        self.met_sqlalchemy: list[str] = []

    def persistent_id(self, one: Any) -> str | None:
        """Leave `one` out, or pack it (None); called for every object on the way."""
        if any(one is left for left in self._left_behind):
            self.met_left_behind.append(one)
            return "left behind"
        if _home(one).partition(".")[0] != "sqlalchemy":
            return None
        self.met_sqlalchemy.append(getattr(one, "__name__", type(one).__name__))
        return "sqlalchemy" if self._without else None

    def pack(self, one: object) -> bytes:
        """Return the object as bytes."""
        self.dump(one)
        return self._packed.getvalue()


def unpack(packed: bytes) -> Any:
    """Rebuild what a suitcase holds; what was left behind raises NotHereError when it is called."""

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, _: Any) -> Any:
            return LeftBehind

    return Unpacker(io.BytesIO(packed)).load()


def _home(one: Any) -> str:
    """Return the module that an object, or its class, comes from."""
    if isinstance(one, ModuleType):
        return one.__name__
    known = one if isinstance(one, type | FunctionType) else type(one)
    return str(getattr(known, "__module__", ""))


@contextmanager
def sqlalchemy_missing() -> Iterator[None]:
    """Make every import of SQLAlchemy fail, as if it were not installed; for a process of its own only."""
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "sqlalchemy"}
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.modules.update(hidden)
