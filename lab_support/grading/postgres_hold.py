"""Stop the PostgreSQL in the box after runs whose processes were killed, and keep it while more runs may come.

A process that is killed cannot stop the server it started; its parent, an owner too by then, can.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from lab_support.database import EmbeddedPostgres
from lab_support.grading.records import VerdictRecord
from lab_support.settings import Settings


class PostgresHold:
    """An owner of the server once a run has used it; gives it up when the block is left."""

    def __init__(self) -> None:
        self._held: EmbeddedPostgres | None = None

    def __enter__(self) -> PostgresHold:
        """Hold nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up the server, which stops when nobody else owns it."""
        if self._held is not None:
            self._held.stop()

    def take(self, records: Iterable[VerdictRecord]) -> None:
        """Own the server if one of these checks ran on it.

        Raises:
            EmbeddedPostgresError: It ended meanwhile and cannot be started again.
        """
        if self._held is None and any(_ran_on_postgresql(record) for record in records):
            self.take_now()

    def take_now(self) -> None:
        """Own the server, and start it, unless another one is set or none can run here.

        Raises:
            EmbeddedPostgresError: It cannot be started.
        """
        settings = Settings()
        if settings.postgres_url is None and EmbeddedPostgres.available():
            self._held = EmbeddedPostgres(settings.lab_home / "postgres")
            self._held.start()


def _ran_on_postgresql(record: VerdictRecord) -> bool:
    cases = record.verdict["cases"] if record.verdict is not None else ()
    return any(case["engine"] == "postgresql" for case in cases)
