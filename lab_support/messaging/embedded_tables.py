"""The tables in the file of the embedded bus.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, Text

METADATA = MetaData()
log = Table(
    "log",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)
offsets = Table(
    "offsets",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, nullable=False),  # everything up to here is done with
)
deliveries = Table(
    "deliveries",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("handled", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("done", Boolean, nullable=False),
)
dead_letters = Table(
    "dead_letters",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
retries = Table(  # dead letters that somebody has asked to be delivered again
    "retries",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)
