"""The tables of Orders as they were in 13.8."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime

revision = "orders_0001"
down_revision = None
branch_labels = None
depends_on = None

MARKS = (
    "orders",
    "prices",
)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
EXACT_KEY = sa.String(200).with_variant(sa.String(200, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "idempotency_keys",
        sa.Column("key", EXACT_KEY, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", sa.String(500)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])
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
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("saga_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.String(64), nullable=False),
        sa.Column("pay_by", sa.String(20), nullable=False),
        sa.Column("coordination", sa.String(20), nullable=False),
        sa.Column("status", sa.String(30), nullable=False),
        sa.Column("reason", sa.String(100)),
        sa.Column("failed_step", sa.String(50)),
        sa.Column("total", sa.Numeric(12, 2), nullable=False),
        sa.Column("delivery_note", sa.String(500)),
        sa.Column("deadline_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("total >= 0", name=op.f("ck_orders_total_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("saga_id", name=op.f("uq_orders_saga_id")),
    )
    op.create_index(op.f("ix_orders_customer_id"), "orders", ["customer_id"])
    op.create_index(op.f("ix_orders_due"), "orders", ["status", "deadline_at"])
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
    op.create_table(
        "prices",
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("unit_price", sa.Numeric(12, 2), nullable=False),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_prices_unit_price_not_negative")),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_prices")),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("saga_id", sa.Uuid(), nullable=False),
        sa.Column("service", sa.String(50), nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("resolved_at", UtcDateTime()),
        sa.Column("resolution", sa.String(20)),
        sa.Column("note", sa.String(500)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_open"), "reviews", ["resolved_at", "opened_at"])
    op.create_index(op.f("ix_reviews_order_id"), "reviews", ["order_id"])
    op.create_table(
        "sagas",
        sa.Column("saga_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("step", sa.String(100)),
        sa.Column("registered", sa.JSON(), nullable=False),
        sa.Column("in_review", sa.JSON(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("deadline_at", UtcDateTime()),
        sa.Column("failed_step", sa.String(100)),
        sa.Column("reason", sa.String(200)),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("saga_id", name=op.f("pk_sagas")),
    )
    op.create_index(op.f("ix_sagas_due"), "sagas", ["deadline_at"])
    op.create_index(op.f("ix_sagas_subject"), "sagas", ["subject"])
    op.create_table(
        "timeline",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("saga_id", sa.Uuid()),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("service", sa.String(50), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
        sa.UniqueConstraint("event_id", name=op.f("uq_timeline_event_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_timeline_order"), "timeline", ["order_id", "id"])
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(12, 2), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_lines_quantity_positive")),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_order_lines_unit_price_not_negative")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], op.f("fk_order_lines_order_id_orders"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("order_id", "sku", name=op.f("pk_order_lines")),
    )


def downgrade() -> None:
    """Remove them, with all that is in them."""
    op.drop_table("order_lines")
    op.drop_table("timeline")
    op.drop_table("sagas")
    op.drop_table("reviews")
    op.drop_table("prices")
    op.drop_table("outbox")
    op.drop_table("orders")
    op.drop_table("inbox")
    op.drop_table("idempotency_keys")
