"""Engines, sessions and what happened inside them: the relational foundation (sections 13.1 and 13.4).

May import `pools` and `settings`.
"""

from lab_support.database.base import (
    NAMING_CONVENTION,
    Base,
    TableBase,
    TimestampMixin,
    UtcDateTime,
    server_utc_now,
    utc_now,
)
from lab_support.database.embedded_postgres import EmbeddedPostgres
from lab_support.database.engines import build_engine, check_connection, create_tables
from lab_support.database.faults import Fault, InjectedError, SimulatedDeath, fault
from lab_support.database.postgres_cluster import EmbeddedPostgresError
from lab_support.database.retries import RetriesExhaustedError, is_transient, retry_transaction
from lab_support.database.scratch import Backend, scratch_database
from lab_support.database.sessions import get_session, session_factory, writing_session
from lab_support.database.sqlite import WRITES
from lab_support.database.statement_timeout import statement_timeout
from lab_support.database.trace_events import Trace, TracedEvent
from lab_support.database.tracing import trace_sql
from lab_support.database.unit_of_work import UnitOfWork, unit_of_work
from lab_support.database.urls import DatabaseUrlError, masked

__all__ = [
    "NAMING_CONVENTION",
    "WRITES",
    "Backend",
    "Base",
    "DatabaseUrlError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "Fault",
    "InjectedError",
    "RetriesExhaustedError",
    "SimulatedDeath",
    "TableBase",
    "TimestampMixin",
    "Trace",
    "TracedEvent",
    "UnitOfWork",
    "UtcDateTime",
    "build_engine",
    "check_connection",
    "create_tables",
    "fault",
    "get_session",
    "is_transient",
    "masked",
    "retry_transaction",
    "scratch_database",
    "server_utc_now",
    "session_factory",
    "statement_timeout",
    "trace_sql",
    "unit_of_work",
    "utc_now",
    "writing_session",
]
