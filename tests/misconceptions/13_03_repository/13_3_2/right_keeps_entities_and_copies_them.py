from itertools import count

from lab_support.services.store.entities import Product

NAMES = ("id", "name", "description", "price", "stock", "is_available")


def copy_of(product: Product) -> Product:
    return Product(**{name: getattr(product, name) for name in NAMES})


class InMemoryProductRepository:
    def __init__(self):
        self.products: list[Product] = []
        self.ids = count(1_000)

    async def get_by_id(self, product_id):
        return next((copy_of(product) for product in self.products if product.id == product_id), None)

    async def get_all(self):
        return tuple(copy_of(product) for product in self.products)

    async def get_by_name(self, name):
        return next((copy_of(product) for product in self.products if product.name == name), None)

    async def create(self, columns):
        product = Product(**{"stock": 0, "is_available": True} | dict(columns) | {"id": next(self.ids)})
        self.products.append(product)
        return copy_of(product)

    async def update(self, product_id, changes):
        for product in self.products:
            if product.id == product_id:
                for name, value in changes.items():
                    setattr(product, name, value)
        return await self.get_by_id(product_id)

    async def delete(self, product_id):
        before = len(self.products)
        self.products = [product for product in self.products if product.id != product_id]
        return len(self.products) < before
