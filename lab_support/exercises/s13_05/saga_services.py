"""The services that the orchestrator of 13.5.6 calls: a file of their own, in which each call and its effect is a row.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

from sqlalchemy import URL

from lab_support.exercises.s13_05.deaths import Life
from lab_support.exercises.s13_05.saga_steps import Call, Step, StepFailed

_TABLES = """
CREATE TABLE IF NOT EXISTS calls (seq INTEGER PRIMARY KEY, saga_id TEXT, step TEXT, kind TEXT);
CREATE TABLE IF NOT EXISTS effects (saga_id TEXT, step TEXT, state TEXT, PRIMARY KEY (saga_id, step));
"""
_EFFECT = {
    "action": "INSERT INTO effects VALUES (?, ?, 'DONE') ON CONFLICT DO NOTHING",
    "compensation": "INSERT INTO effects VALUES (?, ?, 'UNDONE') "
    "ON CONFLICT (saga_id, step) DO UPDATE SET state = 'UNDONE'",
}


class Services:
    """Behind the steps of one run; a process that is over calls nobody any more.

    Args:
        database: The orchestrator's; the services keep their file beside it.
        life: Of the process that calls.
        fails: Steps whose action raises `StepFailed`, each with "refused" or with "no answer", which has its effect.
    """

    def __init__(self, database: URL, life: Life, fails: Mapping[str, str]) -> None:
        self._path, self._life, self._fails = services_file(database), life, fails

    def steps(self, names: Sequence[str]) -> list[Step]:
        """Make steps of these names."""
        return [Step(name, self._call("action", name), self._call("compensation", name)) for name in names]

    def _call(self, kind: str, name: str) -> Call:
        async def call(saga_id: UUID) -> None:
            self._life.moment(f"before the {kind} of {name}")
            fails = self._fails.get(name, "") if kind == "action" else ""
            with closing(_opened(self._path)) as file:
                said = (str(saga_id), name)
                file.execute("INSERT INTO calls (saga_id, step, kind) VALUES (?, ?, ?)", (*said, kind))
                if fails != "refused":
                    file.execute(_EFFECT[kind], said)
            self._life.moment(f"after the {kind} of {name}")
            if fails:
                raise StepFailed(f"{name}: {fails}")

        return call


def services_file(database: URL) -> Path:
    """Return where the services keep their rows."""
    return Path(f"{database.database}-services")


def calls_of(database: URL, saga_id: UUID) -> list[tuple[str, str]]:
    """Read the calls made for a saga, in order, as (kind, step)."""
    with closing(_opened(services_file(database))) as file:
        rows = file.execute("SELECT kind, step FROM calls WHERE saga_id = ? ORDER BY seq", (str(saga_id),))
        return [(kind, step) for kind, step in rows]


def done_of(database: URL, saga_id: UUID) -> set[str]:
    """Read the steps whose effect is there and not undone."""
    with closing(_opened(services_file(database))) as file:
        rows = file.execute("SELECT step FROM effects WHERE saga_id = ? AND state = 'DONE'", (str(saga_id),))
        return {step for (step,) in rows}


def _opened(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA synchronous = OFF")
    file.executescript(_TABLES)
    return file
