"""Twenty users for a validator: six as they should be, fourteen that break one rule each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bson import Decimal128

Document = dict[str, Any]
ROLES: Final = ("customer", "staff", "admin")
NAME_AT_MOST: Final = 80
BEGIN: Final = datetime(2021, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document, and what makes it one.

    Attributes:
        title: What is special about it.
        field: The field that breaks a rule; empty if all is well.
    """

    title: str
    document: Document
    field: str = ""


def load_rules() -> None:
    """Import what the server needs for its first schema; on a slow machine it takes longer than a driver waits."""
    import_module("lab_support.documents.embedded.schema_rules")


def address_of(draw: random.Random) -> str:
    """Draw an e-mail address."""
    return f"ada.{draw.getrandbits(24):x}@shop-{draw.randint(1, 99)}.example"


def euros(draw: random.Random, sign: str = "") -> Decimal128:
    """Draw an amount as BSON keeps money."""
    from bson import Decimal128

    return Decimal128(f"{sign}{draw.randint(1, 900)}.{draw.randint(10, 99)}")


def least(draw: random.Random) -> Document:
    """Draw a user who has the required fields only."""
    return {
        "email": address_of(draw),
        "name": f"Ada {draw.randint(100, 999)}",
        "balance": euros(draw),
        "created_at": BEGIN + timedelta(minutes=draw.randint(1, 10**6)),
        "roles": [draw.choice(ROLES)],
    }


def good_users(draw: random.Random) -> list[Candidate]:
    """Draw those that must be taken."""
    from bson import Int64

    home = {"city": f"Town {draw.randint(1, 99)}"}
    filled = least(draw) | {"age": draw.randint(18, 90), "address": home | {"postcode": "1010"}}
    return [
        Candidate("nothing but the required fields", least(draw)),
        Candidate("every field filled", filled),
        Candidate(f"a name of {NAME_AT_MOST} characters", least(draw) | {"name": "Ö" * NAME_AT_MOST}),
        Candidate("an age that is a long", least(draw) | {"age": Int64(draw.randint(18, 90))}),
        Candidate("an address that is only a city", least(draw) | {"address": home}),
        Candidate("two roles, and a balance of 0.00", least(draw) | {"roles": list(draw.sample(ROLES, 2)),
                                                                   "balance": _nothing()}),
    ]  # fmt: skip


def bad_users(draw: random.Random) -> list[Candidate]:
    """Draw those that must be refused, one rule broken in each, in a random order."""
    lacking = least(draw)
    del lacking["email"]
    broken: list[tuple[str, Document]] = [
        ("an e-mail without an @", {"email": address_of(draw).replace("@", ".")}),
        ("an e-mail with text around it", {"email": f"Ada <{address_of(draw)}> or so"}),
        ("an empty name", {"name": ""}),
        (f"a name of {NAME_AT_MOST + 1} characters", {"name": "n" * (NAME_AT_MOST + 1)}),
        ("an age that is a double", {"age": draw.randint(18, 90) + 0.5}),
        ("an age of -1", {"age": -1}),
        ("a balance that is a double", {"balance": draw.randint(100, 900) / 4}),
        ("a balance below zero", {"balance": euros(draw, "-")}),
        ("a date written as text", {"created_at": "2026-03-01T10:00:00Z"}),
        ("no role at all", {"roles": []}),
        ("a role that nobody knows", {"roles": ["customer", f"role-{draw.randint(1, 99)}"]}),
        ("an address without a city", {"address": {"postcode": "1010"}}),
        ("a field that nobody declared", {f"agee{draw.randint(1, 99)}": 30}),
    ]
    found = [Candidate(title, least(draw) | change, next(iter(change))) for title, change in broken]
    found.append(Candidate("no e-mail", lacking, "email"))
    draw.shuffle(found)
    return found


def _nothing() -> Decimal128:
    from bson import Decimal128

    return Decimal128("0.00")
