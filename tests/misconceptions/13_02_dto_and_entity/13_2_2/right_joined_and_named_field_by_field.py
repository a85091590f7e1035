from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lab_support.exercises.s13_02.catalogue import NewProduct, Product, ProductChanges, ProductView


def to_entity(new: NewProduct) -> Product:
    return Product(
        name=new.product_name,
        description=new.description,
        price=new.price,
        stock=new.stock,
        supplier_id=new.supplier_id,
    )


def view_query(product_id: int):
    return select(Product).where(Product.id == product_id).options(joinedload(Product.supplier))


def to_view(product: Product) -> ProductView:
    columns = {name: getattr(product, name) for name in ("description", "price", "stock")}
    supplier_name = None if product.supplier is None else product.supplier.name
    return ProductView(
        product_id=product.id, product_name=product.name, supplier_name=supplier_name, **columns
    )


def apply_changes(product: Product, changes: ProductChanges) -> None:
    if "product_name" in changes.model_fields_set:
        product.name = changes.product_name
    for name in changes.model_fields_set - {"product_name"}:
        setattr(product, name, getattr(changes, name))
