"""What crosses HTTP: the JSON of products, users and orders, checked before anything touches the database.

The names are the API's (`product_id`, `product_name`), not the table's (`id`, `name`);
`mapping.py` joins them. A column reaches a caller only if a class here names it.

Section:
    13.1, "CRUD over HTTP"; 13.2, "What happens without a DTO"
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from lab_support.services.store.fields import (
    CENT,
    MAX_ORDER_LINES,
    Availability,
    Category,
    Description,
    Email,
    GivenId,
    Password,
    Price,
    ProductName,
    Quantity,
    Stock,
    UserName,
)

Item = TypeVar("Item", bound=BaseModel)
TAX_RATE: Final = Decimal("0.20")


def unsent() -> Any:
    """Stand for a field that the caller left out; `model_dump(exclude_unset=True)` never shows it."""
    return None


def with_tax(price: Decimal) -> Decimal:
    """Add the tax and round to the cent, half a cent upwards."""
    return (price * (1 + TAX_RATE)).quantize(CENT, ROUND_HALF_UP)


class ProductWrite(BaseModel):
    """What a caller says about a whole product; a field that is not named here is refused."""

    model_config = ConfigDict(extra="forbid")

    product_name: ProductName
    description: Description | None = None
    price: Price
    stock: Stock = 0
    is_available: Availability = True


class ProductCreate(ProductWrite):
    """What `POST` makes a product of."""

    category: Category = "general"


class ProductReplace(ProductCreate):
    """What `PUT` replaces a product by; an optional field that is not sent gets its default."""


class ProductPatch(BaseModel):
    """Some fields of a product. A field that is not sent stays as it is; only `description` may be null."""

    model_config = ConfigDict(extra="forbid")

    product_name: ProductName = Field(default_factory=unsent)
    category: Category = Field(default_factory=unsent)
    description: Description | None = Field(default_factory=unsent)
    price: Price = Field(default_factory=unsent)
    stock: Stock = Field(default_factory=unsent)
    is_available: Availability = Field(default_factory=unsent)


class ProductRead(BaseModel):
    """What customers may see of a stored product."""

    product_id: int
    product_name: str
    description: str | None
    price: Price
    stock: int
    is_available: bool


class ProductDetail(ProductRead):
    """A product on its own page: what is stored, and what follows from it."""

    category: str

    @computed_field(description="What a customer pays, to the cent.", examples=["29.88"])  # type: ignore[prop-decorator]
    @property
    def price_with_tax(self) -> Price:
        """Add the tax to the price."""
        return with_tax(self.price)


class ProductSummary(BaseModel):
    """A product as a line of a list, without its text."""

    product_id: int
    product_name: str
    category: str
    price: Price
    stock: int
    is_available: bool


class Page(BaseModel, Generic[Item]):
    """One page of a list, in the order of the ids."""

    items: list[Item]
    next: str | None = Field(
        None, description="Send it as `after` to get the next page; null on the last page."
    )


class ProductPage(Page[ProductRead]):
    """One page of products."""


class ProductSummaryPage(Page[ProductSummary]):
    """One page of products, a line each."""


class UserCreate(BaseModel):
    """A new user."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)  # the input holds a password

    email: Email
    user_name: UserName
    password: Password


class UserRead(BaseModel):
    """A user as others may see one."""

    user_id: int
    email: str
    user_name: str


class OrderLineCreate(BaseModel):
    """So many pieces of one product."""

    model_config = ConfigDict(extra="forbid")

    product_id: GivenId
    quantity: Quantity


class OrderCreate(BaseModel):
    """What a user orders; two lines for one product are added up. The store sets the prices."""

    model_config = ConfigDict(extra="forbid")

    user_id: GivenId
    items: list[OrderLineCreate] = Field(min_length=1, max_length=MAX_ORDER_LINES)


class OrderLine(BaseModel):
    """One line of an order, with its product's name beside it."""

    product_id: int
    product_name: str
    quantity: int
    unit_price: Price

    @computed_field  # type: ignore[prop-decorator]
    @property
    def line_total(self) -> Price:
        """Multiply the price of one piece by the quantity."""
        return self.quantity * self.unit_price


class OrderDetail(BaseModel):
    """An order combined with its lines and their sum."""

    order_id: int
    customer_email: str
    lines: list[OrderLine]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> Price:
        """Add up the lines; an order without lines costs 0.00."""
        return sum((line.line_total for line in self.lines), Decimal("0.00"))


class OrderPage(Page[OrderDetail]):
    """One page of orders."""
