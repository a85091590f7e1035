"""What every repository of products does. A subclass supplies the repository, and pytest runs the tests on it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from lab_support.repositories import UnknownColumnError
from lab_support.services.store.entities import Product
from lab_support.services.store.repository import ProductRepository, ProductSearch

ALL = ProductSearch()
IMPOSSIBLE_IDS = (0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, 10**30)


def a_product(**fields: Any) -> Product:
    return Product(**{"name": "Desk lamp", "price": Decimal("24.90")} | fields)


async def ids_of(products: ProductRepository, *many: Product) -> list[int]:
    return [(await products.create(product)).id for product in many]


def names(found: Sequence[Product]) -> list[str]:
    return [product.name for product in found]


class ProductRepositoryContract:
    """Tests over a fixture `products`: an empty repository."""

    async def test_new_product_has_an_id_and_the_defaults(self, products: ProductRepository) -> None:
        """What a product leaves out is filled in when it is created."""
        created = await products.create(a_product())

        assert type(created) is Product
        assert created.id > 0
        assert (created.category, created.stock, created.is_available) == ("general", 0, True)
        assert (created.description, created.supplier_cost) == (None, None)
        assert created.created_at.tzinfo is not None
        assert created.updated_at.tzinfo is not None

    async def test_stored_product_is_found_as_it_was_given(self, products: ProductRepository) -> None:
        """Every column comes back, money to the cent."""
        given = {
            "name": "Office chair",
            "category": "chairs",
            "description": "Grey",
            "price": Decimal("9999999999.99"),
            "stock": 7,
            "is_available": False,
            "supplier_cost": Decimal("0.10"),
        }
        (id_,) = await ids_of(products, a_product(**given))

        found = await products.get_by_id(id_)

        assert type(found) is Product
        assert {name: getattr(found, name) for name in given} == given

    @pytest.mark.parametrize(
        "name", ["e\u0301\u0301\u0301", "\u202eelbat", "كرسي", "🪑" * 200, "it's; -- %_\\", "a\u200bb"]
    )
    async def test_name_of_any_script_comes_back(self, products: ProductRepository, name: str) -> None:
        """Combining marks, right-to-left text and characters of four bytes are kept code point by code point."""
        (id_,) = await ids_of(products, a_product(name=name))

        found = [await products.get_by_id(id_), await products.get_by_name(name)]

        assert [product and product.name for product in found] == [name, name]

    async def test_absent_product_is_nothing(self, products: ProductRepository) -> None:
        """An id that nobody has, or that no column can hold, finds, changes and deletes nothing."""
        for id_ in IMPOSSIBLE_IDS:
            assert await products.get_by_id(id_) is None
            assert await products.update(id_, {"stock": 1}) is None
            assert await products.delete(id_) is False

    async def test_empty_repository_has_no_products(self, products: ProductRepository) -> None:
        """Nothing found is an empty list, and no error."""
        assert list(await products.get_all()) == []
        assert list(await products.find(ALL)) == []
        assert await products.get_by_name("Desk lamp") is None
        page = await products.page(ALL)
        assert (list(page.items), page.next) == ([], None)

    async def test_all_products_come_in_the_order_of_their_ids(self, products: ProductRepository) -> None:
        """Windows on the whole join without a gap, also after a change."""
        ids = await ids_of(products, *(a_product(name=f"p{number}") for number in range(5)))
        await products.update(ids[0], {"name": "p0"})

        assert names(await products.get_all()) == ["p0", "p1", "p2", "p3", "p4"]
        assert names(await products.get_all(skip=1, limit=2)) == ["p1", "p2"]
        assert names(await products.get_all(skip=4, limit=10**9)) == ["p4"]
        assert names(await products.get_all(skip=10**9)) == []

    @pytest.mark.parametrize("window", [{"limit": 0}, {"limit": -1}, {"skip": -1}])
    async def test_window_that_makes_no_sense_is_refused(
        self, products: ProductRepository, window: dict[str, int]
    ) -> None:
        """No engine gets to give a limit of -1 a meaning of its own."""
        with pytest.raises(ValueError, match=r"limit >= 1"):
            await products.get_all(**window)
        with pytest.raises(ValueError, match=r"limit >= 1"):
            await products.find(ALL, **window)
        if "limit" in window:
            with pytest.raises(ValueError, match=r"limit >= 1"):
                await products.page(ALL, **window)

    async def test_oldest_of_two_namesakes_is_found(self, products: ProductRepository) -> None:
        """A name is not unique: two products with one name are no error."""
        ids = await ids_of(products, a_product(stock=1), a_product(stock=2))

        found = await products.get_by_name("Desk lamp")

        assert found is not None
        assert found.id == ids[0]

    @pytest.mark.parametrize("other", ["desk lamp", "Desk lamp ", "Desk lâmp", "Desk", "Desk lam_", "%", ""])
    async def test_name_equals_only_itself(self, products: ProductRepository, other: str) -> None:
        """Capitals, accents, blanks and wildcards make another name, on every engine."""
        await products.create(a_product())

        assert await products.get_by_name(other) is None

    async def test_update_leaves_what_it_does_not_name(self, products: ProductRepository) -> None:
        """Only the named columns change; None empties one, and naming nothing changes nothing."""
        before = a_product(description="Brass", stock=3, category="lamps", supplier_cost=Decimal("11.00"))
        id_, _ = await ids_of(products, before, a_product(name="Another"))

        for changes in ({"stock": 9}, {"price": Decimal("0.10")}, {}):
            await products.update(id_, changes)

        changed = await products.get_by_id(id_)
        assert changed is not None
        assert (changed.name, changed.category, changed.supplier_cost) == ("Desk lamp", "lamps", Decimal(11))
        assert (changed.stock, changed.description, changed.price) == (9, "Brass", Decimal("0.10"))
        emptied = await products.update(id_, {"description": None})
        assert emptied is not None
        assert (emptied.stock, emptied.description) == (9, None)
        another = await products.get_by_name("Another")
        assert another is not None
        assert (another.stock, another.price) == (0, Decimal("24.90"))

    async def test_update_gives_the_changed_product(self, products: ProductRepository) -> None:
        """What comes back is the product as it is now, dated anew."""
        (id_,) = await ids_of(products, a_product())
        before = await products.get_by_id(id_)
        assert before is not None
        created_at, updated_at = before.created_at, before.updated_at

        changed = await products.update(id_, {"stock": 2})

        assert type(changed) is Product
        assert (changed.id, changed.stock) == (id_, 2)
        assert changed.created_at == created_at
        assert changed.updated_at > updated_at

    @pytest.mark.parametrize("name", ["id", "colour", "metadata", "_sa_instance_state", "product_name"])
    async def test_change_of_what_is_no_column_is_refused(
        self, products: ProductRepository, name: str
    ) -> None:
        """The error names it, and the columns beside it stay too."""
        (id_,) = await ids_of(products, a_product())

        with pytest.raises(UnknownColumnError, match=name) as caught:
            await products.update(id_, {"stock": 5, name: 1})

        assert caught.value.names == [name]
        kept = await products.get_by_id(id_)
        assert kept is not None
        assert kept.stock == 0

    async def test_deleted_product_is_gone(self, products: ProductRepository) -> None:
        """The first deletion says that there was one, the second that there was none; others stay."""
        gone, stays = await ids_of(products, a_product(), a_product(name="Stays"))

        assert await products.delete(gone) is True

        assert await products.delete(gone) is False
        assert await products.get_by_id(gone) is None
        assert [product.id for product in await products.get_all()] == [stays]

    async def test_id_is_never_given_twice(self, products: ProductRepository) -> None:
        """A product made after a deletion gets an id that nobody ever had."""
        ids = await ids_of(products, a_product(), a_product())
        for id_ in ids:
            await products.delete(id_)

        again = await ids_of(products, a_product())

        assert again[0] > max(ids)

    @pytest.mark.parametrize(
        ("search", "expected"),
        [
            (ALL, ["a", "b", "c", "d"]),
            (ProductSearch(category="lamps"), ["a", "c"]),
            (ProductSearch(category="Lamps"), []),
            (ProductSearch(category="lamp"), []),
            (ProductSearch(min_price=Decimal("1.10")), ["b", "c", "d"]),
            (ProductSearch(max_price=Decimal("1.10")), ["a", "b"]),
            (ProductSearch(min_price=Decimal("1.10"), max_price=Decimal("1.20")), ["b", "c"]),
            (ProductSearch(min_price=Decimal("1.11"), max_price=Decimal("1.19")), []),
            (ProductSearch(min_price=Decimal(2), max_price=Decimal(1)), []),
            (ProductSearch(max_price=Decimal(0)), []),
            (ProductSearch(category="lamps", min_price=Decimal("1.20")), ["c"]),
            (ProductSearch(category="desks", max_price=Decimal("1.10"), name_contains="B"), ["b"]),
            (ProductSearch(name_contains=""), ["a", "b", "c", "d"]),
        ],
    )
    async def test_search_gives_what_is_meant(
        self, products: ProductRepository, search: ProductSearch, expected: list[str]
    ) -> None:
        """Conditions hold together, bounds belong to the range, a category equals only itself."""
        rows = [
            ("a", "lamps", "1.00"),
            ("b", "desks", "1.10"),
            ("c", "lamps", "1.20"),
            ("d", "desks", "1.30"),
        ]
        for name, category, price in rows:
            await products.create(a_product(name=name, category=category, price=Decimal(price)))

        assert names(await products.find(search)) == expected
        assert names((await products.page(search)).items) == expected
        assert names(await products.find(search, skip=1, limit=1)) == expected[1:2]

    @pytest.mark.parametrize(
        ("term", "expected"),
        [
            ("LAMP", ["Lamp_1%"]),
            ("%", ["Lamp_1%"]),
            ("_", ["Lamp_1%"]),
            ("\\", ["a\\b"]),
            ("' OR 1=1 --", []),
        ],
    )
    async def test_text_in_the_name_is_taken_literally(
        self, products: ProductRepository, term: str, expected: list[str]
    ) -> None:
        """Wildcards and quotes are characters like others."""
        for name in ("Lamp_1%", "a\\b", "it's"):
            await products.create(a_product(name=name))

        assert names(await products.find(ProductSearch(name_contains=term))) == expected

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100, 10**9])
    async def test_pages_show_every_product_once(self, products: ProductRepository, limit: int) -> None:
        """Whatever the size of a page, all are seen in order, and the last page has no next."""
        ids = await ids_of(products, *(a_product(price=Decimal(1)) for _ in range(6)))

        seen, pages = await walk(products, limit)

        assert seen == ids
        assert pages == -(-6 // limit)

    async def test_pages_miss_and_repeat_nothing_while_others_write(
        self, products: ProductRepository
    ) -> None:
        """Products that come or go between two pages move no other product to another page."""
        ids = await ids_of(products, *(a_product() for _ in range(6)))

        first = await products.page(ALL, limit=2)
        await products.delete(ids[0])
        await products.delete(ids[1])  # the very product after which the next page begins
        late = await ids_of(products, a_product())
        second = await products.page(ALL, after=first.next, limit=3)
        third = await products.page(ALL, after=second.next, limit=3)

        seen = [product.id for page in (first, second, third) for product in page.items]
        assert seen == ids + late
        assert third.next is None

    async def test_page_after_the_last_is_empty(self, products: ProductRepository) -> None:
        """Nothing comes after the last id."""
        ids = await ids_of(products, a_product(), a_product())

        page = await products.page(ALL, after=ids[-1])

        assert (list(page.items), page.next) == ([], None)

    async def test_pages_of_a_search_keep_to_it(self, products: ProductRepository) -> None:
        """`after` counts among what is meant."""
        for number in range(6):
            await products.create(a_product(name=f"p{number}", category="even" if number % 2 == 0 else "odd"))

        seen, _ = await walk(products, 2, ProductSearch(category="odd"))

        found = [await products.get_by_id(id_) for id_ in seen]
        assert [product and product.name for product in found] == ["p1", "p3", "p5"]


async def walk(products: ProductRepository, limit: int, search: ProductSearch = ALL) -> tuple[list[int], int]:
    """Follow the pages to their end; give the ids in the order in which they were seen, and the number of pages."""
    seen, after, pages = [], None, 0
    while pages < 100:
        page = await products.page(search, after=after, limit=limit)
        seen += [product.id for product in page.items]
        pages += 1
        if page.next is None:
            return seen, pages
        after = page.next
    pytest.fail("the pages have no end")
