from sqlalchemy import select
from sqlalchemy.orm import selectinload

from lab_support.exercises.s13_02.catalogue import Product, ProductView


def to_entity(new):
    columns = vars(new)
    return Product(name=columns.pop("product_name"), **columns)


def view_query(product_id):
    return select(Product).where(Product.id == product_id).options(selectinload(Product.supplier))


def to_view(product):
    return ProductView(
        product_id=product.id,
        product_name=product.name,
        description=product.description,
        price=product.price,
        stock=product.stock,
        supplier_name=product.supplier.name if product.supplier else None,
    )


def apply_changes(product, changes):
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(product, "name" if name == "product_name" else name, value)
