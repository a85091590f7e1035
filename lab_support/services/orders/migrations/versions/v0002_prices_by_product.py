"""The price list becomes a copy of the catalogue's: its key is the product, not the sku, and it knows its version."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime

revision = "orders_0002"
down_revision = "orders_0001"
branch_labels = None
depends_on = None

MARKS = ("prices.product_id", "prices.version", "prices.as_of", "prices.discontinued_at")

OF_THE_DEMO = {
    "LAMP-7": "6955b9000000000000000001",
    "DESK-1": "6955b9000000000000000002",
    "CHAIR-4": "6955b9000000000000000003",
    "MUG-2": "6955b9000000000000000004",
    "CABLE-9": "6955b9000000000000000005",
}
"""What the catalogue calls the products of the first price list, so that its events find their rows."""


def upgrade() -> None:
    """Make the table anew beside the old one, and take every price over as version 0, which any event replaces."""
    op.rename_table("prices", "prices_by_sku")
    if op.get_bind().dialect.name == "postgresql":  # where names of keys are the schema's
        op.execute("ALTER TABLE prices_by_sku RENAME CONSTRAINT pk_prices TO pk_prices_by_sku")
    op.create_table(
        "prices",
        sa.Column("product_id", sa.String(24), nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("unit_price", sa.Numeric(12, 2), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("as_of", UtcDateTime()),
        sa.Column("discontinued_at", UtcDateTime()),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_prices_unit_price_not_negative")),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_prices")),
    )
    op.create_index(op.f("ix_prices_sku"), "prices", ["sku"])
    rows = op.get_bind().execute(sa.select(*_columns("prices_by_sku"))).mappings().all()
    _insert([{"product_id": _product(row["sku"]), **row} for row in rows], "product_id")
    op.drop_table("prices_by_sku")


def downgrade() -> None:
    """Go back to one price for each sku: of several the newest, and none of what is discontinued."""
    bind = op.get_bind()
    version = sa.column("version", sa.Integer())
    discontinued_at = sa.column("discontinued_at", UtcDateTime())
    offered = sa.select(*_columns("prices")).where(discontinued_at.is_(None)).order_by(version)
    newest = {row["sku"]: dict(row) for row in bind.execute(offered).mappings()}
    op.drop_table("prices")
    op.create_table(
        "prices",
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("unit_price", sa.Numeric(12, 2), nullable=False),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_prices_unit_price_not_negative")),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_prices")),
    )
    _insert(list(newest.values()))


def _columns(table: str) -> list[sa.ColumnClause[object]]:
    named = sa.table(table, sa.column("sku"), sa.column("name"), sa.column("unit_price", sa.Numeric(12, 2)))
    return list(named.columns)


def _insert(rows: list[dict[str, object]], *more: str) -> None:
    money = sa.column("unit_price", sa.Numeric(12, 2))
    prices = sa.table("prices", sa.column("sku"), sa.column("name"), money, *(sa.column(one) for one in more))
    if rows:
        op.bulk_insert(prices, rows)


def _product(sku: str) -> str:
    """Name a product that only the price list knew; the same name whoever asks."""
    return OF_THE_DEMO.get(sku) or hashlib.sha256(sku.encode()).hexdigest()[:24]
