"""The error of a database that cannot be reached, told in one line without secrets."""

from __future__ import annotations


class DatabaseUnreachableError(ConnectionError):
    """No connection could be made.

    Attributes:
        url: The database's URL with its password masked.
        reason: What the driver said, in one line.
    """

    def __init__(self, url: str, reason: str, advice: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"Cannot connect to {url}: {reason.rstrip('.')}. {advice}")
