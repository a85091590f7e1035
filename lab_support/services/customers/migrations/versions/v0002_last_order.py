"""Customers remember their last order, as the events of Orders tell it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime

revision = "customers_0002"
down_revision = "customers_0001"
branch_labels = None
depends_on = None

MARKS = ("customers.last_order_at", "customers.last_order_id")


def upgrade() -> None:
    """Add two columns, empty for the customers that are there: the old code goes on beside the new."""
    op.add_column("customers", sa.Column("last_order_at", UtcDateTime()))
    op.add_column("customers", sa.Column("last_order_id", sa.Uuid()))


def downgrade() -> None:
    """Forget the last orders; Orders still knows them."""
    op.drop_column("customers", "last_order_id")
    op.drop_column("customers", "last_order_at")
