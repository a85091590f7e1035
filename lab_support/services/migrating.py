"""Migrate the databases of the shop: what `lab migrate` does, and how a service knows that it must be done.

Section:
    13.9, "Migrations per service"
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from lab_support.database import masked
from lab_support.services.relational import StartError, data_folder, database_url
from lab_support.services.revisions import (
    StrangeTablesError,
    adopt,
    current_revision,
    revisions_of,
    unknown_revision,
    upgrade,
)
from lab_support.settings import Settings

MIGRATED: Final = ("store", "orders", "customers", "payments", "inventory", "gateway")
"""The services that have revisions; each has a folder `migrations` and an `alembic.ini`."""

Tell = Callable[[int, int | None], None]


class MigrationError(StartError):
    """A database can't be migrated; the text says why on one line, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What was done to one service's database.

    Attributes:
        service: Whose.
        database: Where, without secrets.
        before: The revision it was at; None for an empty one.
        after: The one it is at now.
        adopted: Whether `before` was found out from tables that `lab serve` had made.
        ran: The revisions that were run, in their order.
    """

    service: str
    database: str
    before: str | None
    after: str | None
    adopted: bool
    ran: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        return asdict(self)


async def migrate(
    settings: Settings, services: Collection[str] = (), *, tell: Tell | None = None
) -> list[Migrated]:
    """Bring databases to the newest revision, one service after the other. Repeating it changes nothing.

    Args:
        settings: Where they are. Without a data folder, those with a URL are meant.
        services: Whose; none means every service's.
        tell: Told how many databases are done, and of how many.

    Raises:
        MigrationError: A service has no revisions or no database, or its database can't be migrated; those before
            it are.
        DatabaseUnreachableError: A database does not answer.
        DatabaseUrlError: A URL is unusable.
        StartError: The data folder can't be made.
    """
    chosen = _chosen(settings, services)
    done: list[Migrated] = []
    with data_folder(settings) as folder:
        for service in chosen:
            done.append(await _migrate_one(service, settings, folder))
            if tell is not None:
                tell(len(done), len(chosen))
    return done


def _chosen(settings: Settings, services: Collection[str]) -> list[str]:
    for service in services:
        if service == "catalog":
            raise MigrationError(
                "'catalog' keeps documents, which have no revisions. Run: lab backfill catalog"
            )
        if service not in MIGRATED:
            raise MigrationError(
                f"There is no service '{service[:80]}' with revisions. Use one of: {', '.join(MIGRATED)}."
            )
    wanted = [one for one in MIGRATED if one in services or not services]
    if settings.data is not None:
        return wanted
    placed = [one for one in wanted if _has_url(one, settings)]
    if not placed or (services and placed != wanted):
        missing = next(one for one in wanted if one not in placed)
        raise MigrationError(
            f"nobody said where the data of '{missing}' is. Give --data DIR (or LAB_DATA), or its URL in "
            f"{_variable(missing)}."
        )
    return placed


def _has_url(service: str, settings: Settings) -> bool:
    return getattr(settings, _variable(service).removeprefix("LAB_").lower()) is not None


def _variable(service: str) -> str:
    return "LAB_DATABASE_URL" if service == "store" else f"LAB_{service.upper()}_URL"


async def _migrate_one(service: str, settings: Settings, folder: Path) -> Migrated:
    url = database_url(service, settings, folder)
    ran: list[str] = []
    try:
        adopted = await adopt(service, url)
        before = adopted or await current_revision(url)
        if before is not None and before not in revisions_of(service):
            raise MigrationError(unknown_revision(service, url, before))
        await upgrade(service, url, applied=ran.append)
        after = await current_revision(url)
    except StrangeTablesError as error:
        raise MigrationError(
            f"{masked(url)} is not the database of the service '{service}': it holds {', '.join(error.tables[:3])}, "
            "which no revision makes. Check --data, LAB_DATA and the service's URL."
        ) from error
    except CommandError as error:
        reason = " ".join(str(error).split())
        raise MigrationError(
            f"the service '{service}' can't be migrated in {masked(url)}: {reason}"
        ) from error
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise MigrationError(
            f"the service '{service}' can't be migrated in {masked(url)}: {reason}."
        ) from error
    return Migrated(
        service=service,
        database=masked(url),
        before=before,
        after=after,
        adopted=adopted is not None,
        ran=ran,
    )
