"""Times as BSON keeps them: milliseconds since 1970, in UTC.

Section:
    13.7, "From the application to a document"
"""

from __future__ import annotations

from datetime import UTC, datetime

from lab_support.database import utc_now


def in_milliseconds(moment: datetime) -> datetime:
    """Cut a moment to what BSON can keep, so that it is read back as it was written; it must be aware."""
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def bson_now() -> datetime:
    """Return this moment as BSON would keep it."""
    return in_milliseconds(utc_now())
