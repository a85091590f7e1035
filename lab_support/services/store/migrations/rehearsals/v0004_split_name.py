"""`name` becomes `brand` and `model`: the first word, and what follows the blank after it.

A name without a blank has no model (NULL), which is not the same as an empty one: so every name comes back to
the letter.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NO_ID_TWICE = {"sqlite_autoincrement": True}  # Alembic does not see it in the old table
products = sa.table(
    "products", sa.column("name", sa.String), sa.column("brand", sa.String), sa.column("model", sa.String)
)


def upgrade() -> None:
    """Add the two columns, fill them from the one, and drop it."""
    op.add_column("products", sa.Column("brand", _exact(200)))
    op.add_column("products", sa.Column("model", _exact(200)))
    blank = _position(products.c.name)
    op.execute(
        products.update().values(
            brand=sa.case((blank == 0, products.c.name), else_=sa.func.substr(products.c.name, 1, blank - 1)),
            model=sa.case((blank == 0, None), else_=sa.func.substr(products.c.name, blank + 1)),
        )
    )
    op.drop_index(op.f("ix_products_name"), "products")
    with op.batch_alter_table("products", table_kwargs=NO_ID_TWICE) as table:
        table.alter_column("brand", existing_type=_exact(200), nullable=False)
        table.drop_column("name")
    op.create_index(op.f("ix_products_brand"), "products", ["brand"])


def downgrade() -> None:
    """Join them again."""
    op.add_column("products", sa.Column("name", _exact(200)))
    brand, model = products.c.brand, products.c.model
    op.execute(products.update().values(name=sa.case((model.is_(None), brand), else_=brand + " " + model)))
    op.drop_index(op.f("ix_products_brand"), "products")
    with op.batch_alter_table("products", table_kwargs=NO_ID_TWICE) as table:
        table.alter_column("name", existing_type=_exact(200), nullable=False)
        table.drop_column("brand")
        table.drop_column("model")
    op.create_index(op.f("ix_products_name"), "products", ["name"])


def _exact(characters: int) -> sa.String:
    return sa.String(characters).with_variant(
        sa.String(characters, collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


def _position(text: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """Say where the first blank is, counted from 1; 0 when there is none."""
    if op.get_context().dialect.name == "postgresql":
        return sa.func.strpos(text, " ", type_=sa.Integer)
    return sa.func.instr(text, " ", type_=sa.Integer)
