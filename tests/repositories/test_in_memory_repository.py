"""What the repository in memory adds to the contract: nobody can change what it keeps but through it."""

import pytest

from lab_support.repositories import DuplicateError
from lab_support.services.store.entities import Product, User
from lab_support.services.store.repository import (
    InMemoryProductRepository,
    InMemoryUserRepository,
    ProductSearch,
)
from tests.repositories.contract import a_product


@pytest.fixture
def products() -> InMemoryProductRepository:
    return InMemoryProductRepository()


async def test_what_is_handed_out_can_be_spoilt_without_harm(products: InMemoryProductRepository) -> None:
    """Every way out gives a copy, and what went in is a copy too."""
    given = a_product()
    created = await products.create(given)
    id_ = created.id
    handed_out: list[Product | None] = [
        given,
        created,
        await products.get_by_id(id_),
        await products.get_by_name("Desk lamp"),
        await products.update(id_, {"stock": 1}),
        *await products.get_all(),
        *await products.find(ProductSearch()),
        *(await products.page(ProductSearch())).items,
    ]

    for product in handed_out:
        assert product is not None
        product.name, product.stock = "spoilt", 99

    kept = await products.get_by_id(id_)
    assert kept is not None
    assert (kept.name, kept.stock) == ("Desk lamp", 1)


async def test_ids_go_on_after_everything_was_deleted(products: InMemoryProductRepository) -> None:
    """Ids count what was ever created, and two repositories count apart."""
    ids = [(await products.create(a_product())).id for _ in range(3)]
    for id_ in ids:
        await products.delete(id_)

    assert ids == [1, 2, 3]
    assert (await products.create(a_product())).id == 4
    assert (await InMemoryProductRepository().create(a_product())).id == 1


async def test_id_that_is_taken_is_refused(products: InMemoryProductRepository) -> None:
    """An entity may bring its own id, once."""
    await products.create(a_product(id=7))

    with pytest.raises(DuplicateError, match="Product"):
        await products.create(a_product(id=7))


async def test_value_that_must_be_unique_is_refused() -> None:
    """One address, one user; keeping one's own address is no conflict."""
    users = InMemoryUserRepository()
    ada, grace = [
        await users.create(User(email=email, user_name="x", password_hash="y"))
        for email in ("ada@x.org", "grace@x.org")
    ]

    with pytest.raises(DuplicateError):
        await users.create(User(email="ada@x.org", user_name="z", password_hash="y"))
    with pytest.raises(DuplicateError):
        await users.update(grace.id, {"email": "ada@x.org"})
    assert await users.update(ada.id, {"email": "ada@x.org", "user_name": "Ada"}) is not None

    found = await users.get_by_email("ada@x.org")
    assert found is not None
    assert (found.id, found.user_name, str(found.balance)) == (ada.id, "Ada", "0.00")
    assert await users.get_by_email("nobody@x.org") is None
    assert len(await users.get_all()) == 2
