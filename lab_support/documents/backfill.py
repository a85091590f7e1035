"""Backfill: every stored document brought to the current version, in batches, while the application runs.

The documents themselves say how far it is, so it can be stopped, killed and started again, by two processes at once.

Section:
    13.8, "Schema versions: upcast on read, backfill in the background"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_support.documents.types import Collection, Document
from lab_support.documents.versions import Upcasters, difference

Progress = Callable[[int, int], None]
"""Told how many documents were looked at, and of how many."""


@dataclass(slots=True)
class BackfillReport:
    """What a backfill did.

    Attributes:
        changed: Documents that it brought to the current version.
        overtaken: Documents that somebody else changed meanwhile; if they are still old, the next run takes them.
        failed: Ids of those that could not be brought up, with the reason; they stay as they were.
    """

    changed: int = 0
    overtaken: int = 0
    failed: dict[Any, str] = field(default_factory=dict)


async def backfill(
    collection: Collection,
    upcasters: Upcasters,
    *,
    batch_size: int = 200,
    progress: Progress | None = None,
) -> BackfillReport:
    """Write the current version of every older document.

    A document is written only if the fields to be changed are still as they were read; all its other fields may have
    changed, and keep their change.

    Args:
        collection: Whose documents.
        upcasters: The way from each version to the next.
        batch_size: Documents written by one message.
        progress: Called before the first and after each batch.

    Raises:
        ValueError: The batch is smaller than one document.
    """
    if batch_size < 1:
        raise ValueError(f"A batch needs at least one document, not {batch_size}.")
    report, seen, batch = BackfillReport(), 0, list[Document]()
    total = await collection.count_documents(upcasters.outdated())
    tell: Progress = progress or (lambda _seen, _total: None)
    tell(0, total)
    async for document in collection.find(upcasters.outdated()).sort("_id", 1).batch_size(batch_size):
        batch.append(document)
        if len(batch) == batch_size:
            await _write(collection, upcasters, batch, report)
            seen += len(batch)
            tell(seen, max(seen, total))
            batch = []
    await _write(collection, upcasters, batch, report)
    if batch:
        tell(seen + len(batch), max(seen + len(batch), total))
    return report


async def backfill_one(collection: Collection, upcasters: Upcasters, document: Mapping[str, Any]) -> bool:
    """Write the current version of one document, and tell whether it was still as it was read.

    Raises:
        pymongo.errors.WriteError: The server's validator refuses the document.
        UnknownVersionError: Its version is not known.
    """
    filter_, update = difference(document, upcasters.upcast(document))
    if not update:
        return True
    return (await collection.update_one(filter_, update)).matched_count > 0


async def _write(
    collection: Collection, upcasters: Upcasters, batch: Sequence[Document], report: BackfillReport
) -> None:
    """Write one batch; what fails is noted and holds nobody up."""
    from pymongo import UpdateOne
    from pymongo.errors import BulkWriteError

    changes: list[UpdateOne] = []
    ids: list[Any] = []
    for document in batch:
        try:
            filter_, update = difference(document, upcasters.upcast(document))
        except Exception as error:  # whatever a step stumbles over, the other documents are not to wait for
            report.failed[document["_id"]] = f"{type(error).__name__}: {error}"
            continue
        changes.append(UpdateOne(filter_, update))
        ids.append(document["_id"])
    if not changes:
        return
    try:
        matched = (await collection.bulk_write(changes, ordered=False)).matched_count
        refused: list[Document] = []
    except BulkWriteError as error:
        matched, refused = error.details["nMatched"], error.details["writeErrors"]
    for one in refused:
        report.failed[ids[one["index"]]] = str(one["errmsg"])
    report.changed += matched
    report.overtaken += len(changes) - matched - len(refused)
