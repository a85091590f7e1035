"""Users, categories, what a product costs the shop; ids are never given twice, and a name equals only itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab_support.database import UtcDateTime, server_utc_now

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MARKS = ("users", "products.category", "products.supplier_cost")

EXACT = "utf8mb4_nopad_bin"


def upgrade() -> None:
    """Add a table and two columns, and make text and ids strict; products there are become "general"."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("email", _exact(320), nullable=False),
        sa.Column("user_name", sa.String(100), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("balance", sa.Numeric(12, 2), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), server_default=server_utc_now(), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_users_balance_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sqlite_autoincrement=True,
    )
    _remake_in_sqlite(autoincrement=True)
    op.add_column("products", sa.Column("category", _exact(50), server_default="general", nullable=False))
    op.add_column("products", sa.Column("supplier_cost", sa.Numeric(12, 2)))
    op.create_index(op.f("ix_products_category"), "products", ["category"])
    if op.get_context().dialect.name in ("mysql", "mariadb"):
        op.alter_column("products", "name", type_=_exact(200), existing_nullable=False)


def downgrade() -> None:
    """Remove the users, the categories and the costs."""
    if op.get_context().dialect.name in ("mysql", "mariadb"):
        op.alter_column("products", "name", type_=sa.String(200), existing_nullable=False)
    op.drop_index(op.f("ix_products_category"), "products")
    op.drop_column("products", "supplier_cost")
    op.drop_column("products", "category")
    _remake_in_sqlite(autoincrement=False)
    op.drop_table("users")


def _exact(characters: int) -> sa.String:
    return sa.String(characters).with_variant(sa.String(characters, collation=EXACT), "mysql", "mariadb")


def _remake_in_sqlite(*, autoincrement: bool) -> None:
    """Copy the tables with ids into tables that do, or don't, reuse them; other engines have nothing to change."""
    if op.get_context().dialect.name != "sqlite":
        return
    for table in ("products", "orders"):
        with op.batch_alter_table(
            table, recreate="always", table_kwargs={"sqlite_autoincrement": autoincrement}
        ) as remade:
            if not autoincrement:  # SQLite demands that a key with AUTOINCREMENT has no name
                remade.create_primary_key(op.f(f"pk_{table}"), ["id"])
