"""The tables of Inventory as they were in 13.8."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime, server_utc_now

revision = "inventory_0001"
down_revision = None
branch_labels = None
depends_on = None

MARKS = (
    "stock",
    "reservations",
)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "compensations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("saga_id", sa.Uuid()),
        sa.Column("causation_id", sa.Uuid()),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("reply_to", sa.String(255)),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=False),
        sa.Column("last_reason", sa.String(200)),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compensations")),
        sa.UniqueConstraint("subject", "action", name=op.f("uq_compensations_subject_action")),
    )
    op.create_index(op.f("ix_compensations_due"), "compensations", ["status", "next_try_at"])
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
        "reservations",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("pay_by", sa.String(10)),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("sku", sa.String(64)),
        sa.Column("reason", sa.String(40)),
        sa.Column("created_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_reservations")),
    )
    op.create_table(
        "stock",
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("available", sa.Integer(), nullable=False),
        sa.Column("discontinued", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.CheckConstraint("available >= 0", name=op.f("ck_stock_available_not_negative")),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_stock")),
    )
    op.create_table(
        "reservation_lines",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservation_lines_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["reservations.order_id"], op.f("fk_reservation_lines_order_id_reservations")
        ),
        sa.PrimaryKeyConstraint("order_id", "sku", name=op.f("pk_reservation_lines")),
    )
    op.create_index(op.f("ix_reservation_lines_sku"), "reservation_lines", ["sku"])


def downgrade() -> None:
    """Remove them, with all that is in them."""
    op.drop_table("reservation_lines")
    op.drop_table("stock")
    op.drop_table("reservations")
    op.drop_table("outbox")
    op.drop_table("inbox")
    op.drop_table("compensations")
