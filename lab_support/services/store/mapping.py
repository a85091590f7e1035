"""Between the API's words and the table's: pure functions, no session.

They read columns, and of relationships only what the query has loaded: nothing here can start a query.

Section:
    13.1, "CRUD over HTTP"; 13.2, "Mapping, both ways"
"""

from __future__ import annotations

from typing import Any

from lab_support.services.store.dtos import (
    OrderDetail,
    OrderLine,
    ProductDetail,
    ProductPatch,
    ProductRead,
    ProductSummary,
    ProductWrite,
    UserCreate,
    UserRead,
)
from lab_support.services.store.entities import Order, OrderItem, Product, User


def product_columns(product: ProductWrite | ProductPatch) -> dict[str, Any]:
    """Give the columns that a request sets: all for a whole product, the sent ones for a patch."""
    columns = product.model_dump(exclude_unset=isinstance(product, ProductPatch))
    if "product_name" in columns:
        columns["name"] = columns.pop("product_name")
    return columns


def product_read(product: Product) -> ProductRead:
    """Show what customers may see of a stored product."""
    return ProductRead(**_told(product), description=product.description)


def product_detail(product: Product) -> ProductDetail:
    """Show a stored product on its own page."""
    return ProductDetail(**_told(product), description=product.description, category=product.category)


def product_summary(product: Product) -> ProductSummary:
    """Show a stored product as a line of a list."""
    return ProductSummary(**_told(product), category=product.category)


def _told(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.id,
        "product_name": product.name,
        "price": product.price,
        "stock": product.stock,
        "is_available": product.is_available,
    }


def new_user(user: UserCreate, password_hash: str) -> User:
    """Make the row of a new user; the password itself stays behind."""
    return User(email=user.email, user_name=user.user_name, password_hash=password_hash)


def user_read(user: User) -> UserRead:
    """Show a stored user."""
    return UserRead(user_id=user.id, email=user.email, user_name=user.user_name)


def order_detail(order: Order) -> OrderDetail:
    """Show an order whose items and their products are loaded."""
    return OrderDetail(
        order_id=order.id,
        customer_email=order.customer_email,
        lines=[order_line(item) for item in order.items],
    )


def order_line(item: OrderItem) -> OrderLine:
    """Flatten an order's item and its product into one line."""
    return OrderLine(
        product_id=item.product_id,
        product_name=item.product.name,
        quantity=item.quantity,
        unit_price=item.unit_price,
    )
