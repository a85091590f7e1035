"""The outbox inside documents: which of them have pending events, and who may publish those.

One document is one aggregate, so whoever has claimed a document owns the order of its events. In a document:

    outbox: {
        version         of the aggregate, raised by each change
        pending         events that are not published yet, oldest first
        ended_at        the aggregate is over: after its last event the document is removed
        claimed_by      the mark of the relay that publishes
        claimed_until   until then no other relay does; after an error: when it is tried again
        attempts        failures of the oldest pending event
        last_error      why it failed
        parked_at       given up, until a person has it tried again
    }

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from pymongo import DeleteOne, ReturnDocument, UpdateOne

from lab_support.documents.indexes import Index
from lab_support.documents.times import in_milliseconds
from lab_support.documents.types import Collection, Document
from lab_support.messaging import Event

PENDING: Final[Document] = {"outbox.pending.event_id": {"$exists": True}}
INDEX: Final = Index(name="outbox_pending", keys=[("outbox.pending.occurred_at", 1)], partial=PENDING)
"""Holds only documents that have something to tell, however many there are in the collection."""

DIED: Final = "Each relay that published this event ended before it could say how."
_CLAIM: Final = {"outbox.claimed_by": "", "outbox.claimed_until": ""}
_FAILURE: Final = {"outbox.attempts": "", "outbox.last_error": "", "outbox.parked_at": ""}


@dataclass(slots=True)
class Claimed:
    """One document whose pending events may be published.

    Attributes:
        id: The document's.
        pending: Its events as they are stored, oldest first.
        attempts: Failures so far of the first one.
        ends: After the last of them the document is removed.
    """

    id: Any
    pending: Sequence[Document]
    attempts: int = 0
    ends: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any], *, only_first: bool = False) -> Claimed:
        """Read it from a document."""
        outbox = document["outbox"]
        pending = outbox["pending"][:1] if only_first else outbox["pending"]
        ends = outbox.get("ended_at") is not None and len(pending) == len(outbox["pending"])
        return cls(document["_id"], pending, outbox.get("attempts", 0), ends)

    def done(self, published: Names[str]) -> list[str]:
        """Name those of its events that were published."""
        return [event["event_id"] for event in self.pending if event.get("event_id") in published]


@dataclass(frozen=True, slots=True)
class DocumentClaim:
    """Documents that one relay may work on until a moment.

    Attributes:
        documents: Those with the oldest events first.
        by: The mark of this claim.
        parked: Given up now, because each relay that published them died.
        complete: Nothing else could be claimed.
    """

    documents: Sequence[Claimed]
    by: str
    parked: Sequence[Claimed] = ()
    complete: bool = False


class DocumentOutbox:
    """The pending events in one collection, of either driver."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.name = str(collection.name)

    async def claim(self, *, limit: int, now: datetime, lease_s: float, attempts: int) -> DocumentClaim:
        """Claim the documents with the oldest events that nobody publishes, parks or has postponed.

        A document that a relay left claimed, because it died, is claimed alone, with its first event alone, and that
        costs an attempt: the event that kills each relay is parked in the end, and no other with it.
        """
        by, until = uuid4().hex, in_milliseconds(now + timedelta(seconds=lease_s))
        cursor = self._collection.find(PENDING | _free(now), {"outbox": 1})
        found = await cursor.sort("outbox.pending.occurred_at", 1).limit(limit).to_list(limit)
        if not found:
            return DocumentClaim((), by)
        if _is_suspect(found[0]):
            return await self._claim_suspect(found[0], by, now, until, attempts)
        ids = [one["_id"] for one in found if not _is_suspect(one)]
        mine = {"outbox.claimed_by": by, "outbox.claimed_until": until}
        await self._collection.update_many(
            {"_id": {"$in": ids}, **PENDING, **_free(now)},
            {
                "$set": mine,
                "$unset": {"outbox.last_error": ""},
            },  # without an error it is claimed, not postponed
        )
        held = {"_id": {"$in": ids}, "outbox.claimed_by": by}
        got = {one["_id"]: one for one in await self._collection.find(held, {"outbox": 1}).to_list(limit)}
        ordered = [Claimed.of(got[id_]) for id_ in ids if id_ in got]
        return DocumentClaim(ordered, by, complete=len(ordered) == len(found) < limit)

    async def settle(self, claim: DocumentClaim, published: Names[str]) -> None:
        """Take out events that the bus has confirmed, true whoever holds the claim by now; give the claims back.

        A document that ended with its last event is removed.
        """
        removals, changes, takings = list[DeleteOne](), list[UpdateOne](), list[UpdateOne]()
        for one in claim.documents:
            mine = {"_id": one.id, "outbox.claimed_by": claim.by}
            done = one.done(published)
            if done and one.ends and len(done) == len(one.pending):
                removals.append(DeleteOne({"_id": one.id, "outbox.ended_at": {"$exists": True}}))
            elif done:
                changes.append(UpdateOne(mine, {"$unset": _CLAIM | _FAILURE, **_taking_out(done)}))
                takings.append(UpdateOne({"_id": one.id}, _taking_out(done)))
            else:
                changes.append(UpdateOne(mine, {"$unset": _CLAIM}))
        if not removals and not changes:
            return
        result = await self._collection.bulk_write([*removals, *changes], ordered=False)
        if takings and result.matched_count < len(changes):  # too slow: some are another relay's by now
            await self._collection.bulk_write(takings, ordered=False)

    async def fail(
        self,
        claim: DocumentClaim,
        one: Claimed,
        published: Names[str],
        *,
        reason: str,
        failures: int,
        parked_at: datetime | None,
        again_at: datetime,
    ) -> None:
        """Note that a document's oldest unpublished event failed; it waits for its next try, or is parked."""
        done = one.done(published)
        noted = {"outbox.attempts": failures, "outbox.last_error": reason}
        noted |= {"outbox.claimed_until": again_at} if parked_at is None else {"outbox.parked_at": parked_at}
        gone = {"outbox.claimed_by": ""} if parked_at is None else _CLAIM
        mine = {"_id": one.id, "outbox.claimed_by": claim.by}
        changes = [UpdateOne(mine, {"$set": noted, "$unset": gone})]
        if done:
            changes.append(UpdateOne({"_id": one.id}, _taking_out(done)))
        await self._collection.bulk_write(changes, ordered=False)

    async def parked(self, *, limit: int = 100) -> list[Document]:
        """List the documents whose oldest event was given up; their later events wait behind it."""
        given_up = {"outbox.parked_at": {"$exists": True}, **PENDING}
        cursor = self._collection.find(given_up, {"outbox": 1}).sort("outbox.parked_at", 1)
        return list(await cursor.limit(limit).to_list(limit))

    async def retry_parked(self, ids: Names[UUID | str]) -> int:
        """Give parked events all their attempts again, and return how many there were."""
        wanted = {
            "outbox.pending.event_id": {"$in": [str(id_) for id_ in ids]},
            "outbox.parked_at": {"$exists": True},
        }
        result = await self._collection.update_many(wanted, {"$unset": _CLAIM | _FAILURE})
        return int(result.modified_count)

    async def _claim_suspect(
        self, document: Document, by: str, now: datetime, until: datetime, attempts: int
    ) -> DocumentClaim:
        tried = document["outbox"].get("attempts", 0)
        parks = tried + 1 >= attempts
        change: Document = {"$set": {"outbox.attempts": tried + 1}}
        if parks:
            change["$set"] |= {"outbox.parked_at": in_milliseconds(now), "outbox.last_error": DIED}
            change["$unset"] = _CLAIM
        else:
            change["$set"] |= {"outbox.claimed_by": by, "outbox.claimed_until": until}
        unchanged = {"outbox.claimed_by": document["outbox"].get("claimed_by")}
        got = await self._collection.find_one_and_update(
            {"_id": document["_id"], **PENDING, **_free(now), **unchanged},
            change,
            projection={"outbox": 1},
            return_document=ReturnDocument.AFTER,
        )
        if got is None:
            return DocumentClaim((), by)
        suspect = [Claimed.of(got, only_first=True)]
        return DocumentClaim((), by, parked=suspect) if parks else DocumentClaim(suspect, by)


def stored_event(document: Mapping[str, Any]) -> Event:
    """Read an event from a document's outbox.

    Raises:
        pydantic.ValidationError: Somebody changed it into what is no event.
    """
    return Event.model_validate(document)


def _taking_out(event_ids: Sequence[str]) -> Document:
    return {"$pull": {"outbox.pending": {"event_id": {"$in": list(event_ids)}}}}


def _free(now: datetime) -> Document:
    unclaimed = [{"outbox.claimed_until": None}, {"outbox.claimed_until": {"$lte": in_milliseconds(now)}}]
    return {"outbox.parked_at": None, "$or": unclaimed}


def _is_suspect(document: Mapping[str, Any]) -> bool:
    outbox = document["outbox"]
    return outbox.get("claimed_until") is not None and outbox.get("last_error") is None
