"""MongoDB and the broker, the servers that are no SQL databases: each is optional, and must answer when asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab_support.documents.client import masked_mongo, mongo_client
from lab_support.messaging import BusUrlError, MessagingError, open_bus
from lab_support.messaging.broker_bus import BrokerBus
from lab_support.pools.unreachable import DatabaseUnreachableError
from lab_support.settings import Settings
from lab_support.workbook.doctor.report import Finding

_LIMIT_S = 15.0
_SELECTION_MS = 4_000


async def mongodb(settings: Settings) -> Finding:
    """Ask the MongoDB of LAB_MONGODB_URL for its version; without it there is the one in the box."""
    if settings.mongodb_url is None:
        return Finding("MongoDB", "ok", "the embedded server; no other needed")
    url = settings.mongodb_url.get_secret_value()
    told = f"LAB_MONGODB_URL: {masked_mongo(url)}"
    try:
        async with (
            asyncio.timeout(_LIMIT_S),
            mongo_client(url, driver="pymongo", serverSelectionTimeoutMS=_SELECTION_MS) as client,
        ):
            version = (await client.admin.command("buildInfo"))["version"]
    except DatabaseUnreachableError as error:
        return _silent("MongoDB", f"LAB_MONGODB_URL: {' '.join(str(error).split())}", "LAB_MONGODB_URL")
    except Exception as error:  # its text may repeat the URL
        return _silent("MongoDB", f"{told} can't be used: {type(error).__name__}", "LAB_MONGODB_URL")
    return Finding("MongoDB", "ok", f"{told} answers: MongoDB {version}")


async def bus(settings: Settings) -> Finding:
    """Connect to the broker of LAB_BUS_URL; without it the bus is a file."""
    if settings.bus_url is None:
        return Finding("the bus", "ok", "a SQLite file; no broker needed")
    try:
        async with asyncio.timeout(_LIMIT_S):
            opened = open_bus(settings.bus_url.get_secret_value(), Path())
            assert isinstance(opened, BrokerBus)  # noqa: S101 - a URL never names the embedded one
            async with opened:
                await opened.check()
    except (BusUrlError, MessagingError) as error:
        return _silent("the bus", f"LAB_BUS_URL: {' '.join(str(error).split())}", "LAB_BUS_URL")
    except Exception as error:  # its text may repeat the URL
        return _silent("the bus", f"LAB_BUS_URL can't be used: {type(error).__name__}", "LAB_BUS_URL")
    return Finding(
        "the bus", "ok", f"LAB_BUS_URL: the {type(opened).__name__.removesuffix('Bus')} broker answers"
    )


def _silent(name: str, detail: str, variable: str) -> Finding:
    return Finding(name, "bad", detail, f"Start that server, or correct {variable}")
