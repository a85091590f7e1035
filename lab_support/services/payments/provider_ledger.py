"""The tables in the simulated provider's own file.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, MetaData, Numeric, String, Table

METADATA = MetaData()

ledger = Table(
    "ledger",
    METADATA,
    Column("key", String(100), primary_key=True),
    Column("card", String(100)),
    Column("state", String(10), nullable=False, server_default="OPEN"),
    Column("charged", Numeric(12, 2)),
    Column("refunded", Numeric(12, 2)),
    Column("charge_calls", Integer, nullable=False, server_default="0"),
    Column("refund_calls", Integer, nullable=False, server_default="0"),
)
"""One row for each key: OPEN, CHARGED, DECLINED, or CLOSED by a refund, and how often it was called."""

scripts = Table(
    "scripts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("who", String(100), nullable=False),
    Column("call", String(10), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("lasting", Boolean, nullable=False),
)
"""What the next calls are to meet."""
