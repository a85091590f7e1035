"""A read model built anew from another process: what `lab rebuild` calls.

Section:
    13.9, "Rebuilt while it is read"
"""

from __future__ import annotations

from lab_support.services.gateway.lifespan import neighbours
from lab_support.services.gateway.rebuild import Progress, Rebuild, Rebuilt
from lab_support.services.reach import existing_folder, reached
from lab_support.services.relational import StartError
from lab_support.services.split import GATEWAY
from lab_support.settings import Settings


async def rebuild_summaries(settings: Settings, progress: Progress) -> Rebuilt:
    """Build the gateway's order summaries anew from Orders' journal, while the gateway is served or not.

    Args:
        settings: Where the gateway's data is, and where Orders is found over HTTP.
        progress: Told the position in the journal, and its end.

    Raises:
        StartError: Nobody said where Orders or the data is, or there is no such data.
        DatabaseUnreachableError: The gateway's database does not answer.
        DatabaseUrlError: Its URL is unusable.
        NoAnswerError: Orders does not answer; nothing was changed.
        RebuildOvertakenError: Another rebuild has begun meanwhile.
    """
    if settings.orders_at is None:
        raise StartError(
            "nobody said where Orders is. Give --orders URL (or LAB_ORDERS_AT), such as http://127.0.0.1:8000, where "
            "`lab serve` says that it answers."
        )
    around = neighbours(settings, {})
    try:
        with existing_folder(settings, [GATEWAY.name], bus=False) as folder:
            async with reached(GATEWAY, settings, folder) as sessions:
                return await Rebuild(sessions=sessions, neighbours=around, progress=progress).run()
    finally:
        await around.close()
