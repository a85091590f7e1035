"""Orders belong to users and are paid; an order that is posted twice is known by its key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime, server_utc_now
from lab_support.services.store.entities import LongText

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MARKS = ("payments", "idempotency_keys", "orders.user_id")

EXACT = "utf8mb4_nopad_bin"
NO_ID_TWICE = {"sqlite_autoincrement": True}  # Alembic does not see it in the old table


def upgrade() -> None:
    """Add two tables and a column; orders there are keep no user and no payment."""
    with op.batch_alter_table("orders", table_kwargs=NO_ID_TWICE) as orders:
        orders.add_column(sa.Column("user_id", sa.Integer()))
        orders.create_foreign_key(op.f("fk_orders_user_id_users"), "users", ["user_id"], ["id"])
    op.create_index(op.f("ix_orders_user_id"), "orders", ["user_id"])
    op.create_table(
        "payments",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(12, 2), nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payments_amount_not_negative")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], op.f("fk_payments_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("order_id", name=op.f("uq_payments_order_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column(
            "key",
            sa.String(200).with_variant(sa.String(200, collation=EXACT), "mysql", "mariadb"),
            primary_key=True,
        ),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", LongText()),
        sa.Column("created_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])


def downgrade() -> None:
    """Remove them: who ordered and what was paid is lost."""
    op.drop_table("idempotency_keys")
    op.drop_table("payments")
    with op.batch_alter_table("orders", table_kwargs=NO_ID_TWICE) as orders:
        orders.drop_constraint(op.f("fk_orders_user_id_users"), type_="foreignkey")
        orders.drop_index(op.f("ix_orders_user_id"))
        orders.drop_column("user_id")
