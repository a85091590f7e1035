"""The tables of the gateway as they began in 13.9."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None

MARKS = (
    "order_summaries",
    "generations",
)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "generations",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("building", sa.Integer()),
        sa.CheckConstraint("id = 1", name=op.f("ck_generations_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generations")),
    )
    op.create_table(
        "hearings",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("service", sa.String(20), nullable=False),
        sa.Column("newest_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "service", name=op.f("pk_hearings")),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(100), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("parked_at", UtcDateTime()),
        sa.Column("last_error", sa.Text()),
        sa.Column("event", sa.JSON()),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("ix_inbox_parked"), "inbox", ["parked_at", "received_at"])
    op.create_table(
        "order_summaries",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.String(64)),
        sa.Column("pay_by", sa.String(20)),
        sa.Column("total", sa.Numeric(12, 2)),
        sa.Column("items", sa.JSON()),
        sa.Column("ordered_at", UtcDateTime()),
        sa.Column("status", sa.String(20)),
        sa.Column("reason", sa.String(100)),
        sa.Column("order_stage", sa.Integer(), nullable=False),
        sa.Column("credit", sa.String(20)),
        sa.Column("credit_stage", sa.Integer(), nullable=False),
        sa.Column("payment", sa.String(20)),
        sa.Column("payment_stage", sa.Integer(), nullable=False),
        sa.Column("stock", sa.String(20)),
        sa.Column("stock_stage", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "order_id", name=op.f("pk_order_summaries")),
    )
    op.create_index(
        op.f("ix_order_summaries_customer"),
        "order_summaries",
        ["generation", "customer_id", "ordered_at", "order_id"],
    )
    op.create_table(
        "outbox",
        sa.Column("seq", NUMBER, primary_key=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("aggregatetype", sa.String(255), nullable=False),
        sa.Column("aggregateid", sa.String(255), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("published_at", UtcDateTime()),
        sa.Column("claimed_until", UtcDateTime()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parked_at", UtcDateTime()),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_outbox_aggregate"), "outbox", ["aggregateid", "aggregatetype", "published_at", "seq"]
    )
    op.create_index(op.f("ix_outbox_unpublished"), "outbox", ["published_at", "seq"])


def downgrade() -> None:
    """Remove them, with all that is in them."""
    op.drop_table("outbox")
    op.drop_table("order_summaries")
    op.drop_table("inbox")
    op.drop_table("hearings")
    op.drop_table("generations")
