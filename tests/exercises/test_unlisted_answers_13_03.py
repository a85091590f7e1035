"""Answers to 13.3 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from typing import Annotated, Any, Protocol

import pytest
from fastapi import Depends, Request
from sqlalchemy import select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.exercises import State, Verdict, find, judge
from lab_support.services.store.entities import Product


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.parametrize("nonsense", [None, 7, "text", [], object, lambda: None, type, print, dict])
@pytest.mark.parametrize("exercise_id", [f"13.3.{number}" for number in range(1, 6)])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


class OnASession:
    """A right answer to 13.3.1, to be spoiled."""

    def __init__(self, session):
        self.session = session

    async def get_by_id(self, product_id):
        return await self.session.get(Product, product_id)

    async def get_all(self):
        return list(await self.session.scalars(select(Product).order_by(Product.id)))

    async def get_by_name(self, name):
        query = select(Product).where(Product.name == name).order_by(Product.id).limit(1)
        return await self.session.scalar(query)

    async def create(self, columns):
        product = Product(**columns)
        self.session.add(product)
        await self.session.flush()
        return product

    async def update(self, product_id, changes):
        product = await self.get_by_id(product_id)
        for column, value in changes.items() if product else ():
            setattr(product, column, value)
        await self.session.flush()
        return product

    async def delete(self, product_id):
        product = await self.get_by_id(product_id)
        if product:
            await self.session.delete(product)
            await self.session.flush()
        return product is not None


def test_base_of_the_spoiled_repositories_passes():
    """What the following tests spoil is right before."""
    assert judged("13.3.1", OnASession).passed


def test_create_without_flush_is_told():
    """An id that is not there yet is no commit too early and no row."""

    class Repository(OnASession):
        async def create(self, columns):
            product = Product(**columns)
            self.session.add(product)
            return product

    verdict = judged("13.3.1", Repository)

    assert causes(verdict) == []
    assert "id" in verdict.decisive.message


def test_delete_without_flush_is_told():
    """The session still finds what it has not deleted yet."""

    class Repository(OnASession):
        async def delete(self, product_id):
            product = await self.get_by_id(product_id)
            if product:
                await self.session.delete(product)
            return product is not None

    verdict = judged("13.3.1", Repository)

    assert causes(verdict) == []
    assert "still found" in verdict.decisive.message


def test_list_without_an_order_fails():
    """Rows without ORDER BY come as the engine likes, and here it likes another order."""

    class Repository(OnASession):
        async def get_all(self):
            return list(await self.session.scalars(select(Product)))

    verdict = judged("13.3.1", Repository)

    assert causes(verdict) == []
    assert "order of the ids" in verdict.decisive.message


def test_youngest_of_two_fails_without_a_crash():
    """Taking any of two products with one name is another mistake than crashing on them."""

    class Repository(OnASession):
        async def get_by_name(self, name):
            query = select(Product).where(Product.name == name).order_by(Product.id.desc()).limit(1)
            return await self.session.scalar(query)

    verdict = judged("13.3.1", Repository)

    assert causes(verdict) == []
    assert "smaller id" in verdict.decisive.message


def test_update_that_inserts_is_not_called_overwriting():
    """The NOT NULL constraint that an INSERT meets says nothing about columns that were not sent."""

    class Repository(OnASession):
        async def update(self, product_id, changes):
            return await self.create({"id": product_id} | changes)

    assert causes(judged("13.3.1", Repository)) == []


def test_update_that_fills_in_defaults_is_overwriting():
    """Columns that were not sent and get their default are overwritten too."""

    class Repository(OnASession):
        async def update(self, product_id, changes):
            return await super().update(product_id, {"is_available": True} | changes)

    assert causes(judged("13.3.1", Repository)) == ["update-overwrites-unset"]


def test_typo_in_update_has_no_cause():
    """An AttributeError is what it is."""

    class Repository(OnASession):
        async def update(self, product_id, changes):
            return await self.session.fetch(Product, product_id)

    verdict = judged("13.3.1", Repository)

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


def test_rolling_back_inside_fails():
    """A repository that rolls back undoes what is not its own."""

    class Repository(OnASession):
        async def delete(self, product_id):
            found = await super().delete(product_id)
            if not found:
                await self.session.rollback()
            return found

        async def update(self, product_id, changes):
            changed = await super().update(product_id, changes)
            await self.session.rollback()
            return changed

    assert causes(judged("13.3.1", Repository)) == []


def test_transaction_of_its_own_is_a_commit_inside():
    """`session.begin()` as a block commits at its end."""

    class Repository(OnASession):
        async def create(self, columns):
            async with self.session.begin():
                return await super().create(columns)

    assert causes(judged("13.3.1", Repository)) == ["commits-inside"]


def test_rows_of_columns_are_rows():
    """Selecting columns gives rows as well."""

    class Repository(OnASession):
        async def get_by_name(self, name):
            query = select(Product.id, Product.name).where(Product.name == name)
            return (await self.session.execute(query)).first()

    assert causes(judged("13.3.1", Repository)) == ["returns-rows-not-entities"]


def test_error_of_the_library_is_placed_in_the_students_code():
    """The card shows the student's line, and none that Cython has compiled."""

    class Repository(OnASession):
        async def get_by_name(self, name):
            return (await self.session.execute(select(Product).filter_by(name=name))).scalar_one_or_none()

    assert judged("13.3.1", Repository).decisive.frame.function == "get_by_name"


class InMemory:
    """A right answer to 13.3.2, to be spoiled."""

    def __init__(self):
        self.rows, self.ids = {}, count(1)

    def product(self, product_id):
        return Product(id=product_id, **self.rows[product_id]) if product_id in self.rows else None

    async def get_by_id(self, product_id):
        return self.product(product_id)

    async def get_all(self):
        return [self.product(product_id) for product_id in self.rows]

    async def get_by_name(self, name):
        return next((product for product in await self.get_all() if product.name == name), None)

    async def create(self, columns):
        product_id = next(self.ids)
        self.rows[product_id] = {"stock": 0, "is_available": True} | columns
        return self.product(product_id)

    async def update(self, product_id, changes):
        if product_id in self.rows:
            self.rows[product_id] |= changes
        return self.product(product_id)

    async def delete(self, product_id):
        return self.rows.pop(product_id, None) is not None


def test_base_of_the_spoiled_memories_passes():
    """What the following tests spoil is right before."""
    assert judged("13.3.2", InMemory).passed


def test_products_shared_by_all_repositories_fail():
    """A dict of the class is one dict for everybody."""

    class Repository(InMemory):
        everybodys: dict = {}  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.rows = self.everybodys

    assert causes(judged("13.3.2", Repository)) == []


def test_copy_in_create_only_still_hands_out_its_own():
    """It takes one method that hands out the stored object."""

    class Repository(InMemory):
        async def create(self, columns):
            created = await super().create(columns)
            self.rows[created.id] = Product(id=created.id, **self.rows[created.id])
            return created

        def product(self, product_id):
            kept = self.rows.get(product_id)
            return kept if kept is None or isinstance(kept, Product) else super().product(product_id)

        async def update(self, product_id, changes):
            for name, value in changes.items() if product_id in self.rows else ():
                setattr(self.rows[product_id], name, value)
            return self.product(product_id)

    assert causes(judged("13.3.2", Repository)) == ["hands-out-its-own-object"]


def test_keeping_the_callers_dict_is_another_mistake():
    """What comes in must be copied too, and that is not what goes out."""

    class Repository(InMemory):
        async def create(self, columns):
            for name, value in {"stock": 0, "is_available": True, "description": None}.items():
                columns.setdefault(name, value)
            self.rows[product_id := next(self.ids)] = columns
            return self.product(product_id)

    verdict = judged("13.3.2", Repository)

    assert causes(verdict) == []
    assert "dict" in verdict.decisive.message


def test_counting_the_products_reuses_ids():
    """The number of products is no id: after a delete it names one that is still there."""

    class Repository(InMemory):
        async def create(self, columns):
            self.ids = iter([len(self.rows) + 1])
            return await super().create(columns)

    assert causes(judged("13.3.2", Repository)) == ["reuses-ids"]


def test_one_id_for_all_is_not_called_reuse():
    """A counter that never counts is a slip and no belief about deleted ids."""

    class Repository(InMemory):
        async def create(self, columns):
            self.ids = iter([1])
            return await super().create(columns)

    assert causes(judged("13.3.2", Repository)) == []


def test_forgotten_defaults_have_no_cause():
    """A product without its defaults is told as such."""

    class Repository(InMemory):
        async def create(self, columns):
            self.rows[product_id := next(self.ids)] = dict(columns)
            return self.product(product_id)

    verdict = judged("13.3.2", Repository)

    assert causes(verdict) == []
    assert "another product" in verdict.decisive.message


def test_dicts_instead_of_products_fail_in_words():
    """The contract asks for products."""

    class Repository(InMemory):
        def product(self, product_id):
            return {"id": product_id, **self.rows[product_id]} if product_id in self.rows else None

    assert causes(judged("13.3.2", Repository)) == []


class Base:
    """A right base for 13.3.3."""

    entity: Any = None

    def __init__(self, session):
        self.session = session

    async def get_by_id(self, entity_id):
        return await self.session.get(self.entity, entity_id)

    async def get_all(self):
        return list(await self.session.scalars(select(self.entity).order_by(self.entity.id)))


def catalogue(query_of) -> type:
    class CatalogueRepository(Base):
        entity = Product

        async def in_category(self, category, lowest, highest):
            query = query_of(select(Product).where(Product.category == category), lowest, highest)
            return list(await self.session.scalars(query))

    return CatalogueRepository


def in_range(query, lowest, highest):
    return query.where(Product.price.between(lowest, highest)).order_by(Product.price, Product.id)


def test_catalogue_with_between_passes():
    """The base and the query are right."""
    assert judged("13.3.3", Base, catalogue(in_range)).passed


def test_half_open_range_is_exclusive():
    """One end left out is enough."""
    half = catalogue(lambda query, low, high: in_range(query, low, high).where(Product.price < high))

    assert causes(judged("13.3.3", Base, half)) == ["exclusive-bounds"]


def test_range_cut_off_is_not_called_exclusive():
    """A limit that nobody asked for loses products in the middle."""
    cut = catalogue(lambda query, low, high: in_range(query, low, high).limit(2))

    verdict = judged("13.3.3", Base, cut)

    assert causes(verdict) == []
    assert "missing" in verdict.decisive.message


def test_range_of_every_category_fails():
    """A forgotten condition shows products that nobody asked for."""

    class Everything(Base):
        entity = Product

        async def in_category(self, category, lowest, highest):
            return list(await self.session.scalars(in_range(select(Product), lowest, highest)))

    verdict = judged("13.3.3", Base, Everything)

    assert causes(verdict) == []
    assert "not asked for" in verdict.decisive.message


def test_dear_first_fails():
    """The order is part of the task."""
    reverse = catalogue(
        lambda query, low, high: in_range(query, low, high).order_by(None).order_by(Product.price.desc())
    )

    verdict = judged("13.3.3", Base, reverse)

    assert causes(verdict) == []
    assert "order" in verdict.decisive.message


def test_every_row_twice_is_not_called_filtering():
    """Ids first and one query for each of them is slow in another way."""

    class OneByOne(Base):
        entity = Product

        async def in_category(self, category, lowest, highest):
            query = in_range(select(Product.id).where(Product.category == category), lowest, highest)
            return [await self.get_by_id(number) for number in list(await self.session.scalars(query))]

    verdict = judged("13.3.3", Base, OneByOne)

    assert causes(verdict) == []
    assert "More rows" in verdict.decisive.message


def test_finding_one_among_all_is_filtering():
    """A base that reads the table to find one row chooses in Python too."""

    class Slow(Base):
        async def get_by_id(self, entity_id):
            return next((one for one in await self.get_all() if one.id == entity_id), None)

    assert causes(judged("13.3.3", Slow, catalogue(in_range))) == ["filters-in-python"]


def test_base_that_knows_products_only_fails():
    """A base that names Product gives no orders."""

    class Narrow(Base):
        async def get_all(self):
            return list(await self.session.scalars(select(Product)))

    verdict = judged("13.3.3", Narrow, catalogue(in_range))

    assert causes(verdict) == []
    assert not verdict.passed


Session = Annotated[AsyncSession, Depends(get_session)]


class Products(Protocol):
    async def get_by_id(self, product_id: int) -> Product | None: ...

    async def set_price(self, product_id: int, price: Decimal) -> None: ...


class SqlProducts:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get_by_id(self, product_id: int) -> Product | None:
        return await self.session.scalar(select(Product).where(Product.id == product_id))

    async def set_price(self, product_id: int, price: Decimal) -> None:
        await self.session.execute(update(Product).where(Product.id == product_id).values(price=price))


def product_repository(session: Session) -> Products:
    return SqlProducts(session)


class Service:
    """A right service for 13.3.4, to be spoiled."""

    def __init__(self, products):
        self.products = products

    async def price_of(self, product_id):
        product = await self.products.get_by_id(product_id)
        if product is None:
            raise LookupError(product_id)
        return product.price

    async def discount(self, product_id, percent):
        price = await self.price_of(product_id) * (100 - percent) / 100
        await self.products.set_price(product_id, price)
        return price


def test_base_of_the_spoiled_services_passes():
    """What the following tests spoil is right before."""
    assert judged("13.3.4", product_repository, Service).passed


def test_service_that_tells_the_repository_nothing_fails():
    """An object changed outside the repository is no stored price, for a fake."""

    class Forgetful(Service):
        async def discount(self, product_id, percent):
            product = await self.products.get_by_id(product_id)
            product.price = product.price * (100 - percent) / 100
            return product.price

    verdict = judged("13.3.4", product_repository, Forgetful)

    assert causes(verdict) == []
    assert not verdict.passed


def test_service_that_returns_none_for_nobody_fails():
    """The task asks for a LookupError."""

    class Silent(Service):
        async def price_of(self, product_id):
            product = await self.products.get_by_id(product_id)
            return product and product.price

        async def discount(self, product_id, percent):
            price = await self.price_of(product_id)
            return None if price is None else await super().discount(product_id, percent)

    verdict = judged("13.3.4", product_repository, Silent)

    assert causes(verdict) == []
    assert "LookupError" in verdict.decisive.message


def test_prices_as_floats_fail():
    """A float that happens to be exact is still none."""

    class Floating(Service):
        async def discount(self, product_id, percent):
            price = float(await self.price_of(product_id)) * (100 - percent) / 100
            await self.products.set_price(product_id, price)
            return price

    assert causes(judged("13.3.4", product_repository, Floating)) == []


def test_import_inside_a_method_counts():
    """SQLAlchemy imported where it is used is still needed."""

    class Hidden(Service):
        async def price_of(self, product_id):
            from sqlalchemy.exc import NoResultFound

            try:
                return await super().price_of(product_id)
            except NoResultFound as error:
                raise LookupError(product_id) from error

    assert causes(judged("13.3.4", product_repository, Hidden)) == ["service-imports-sqlalchemy"]


def test_concrete_class_as_a_promise_counts():
    """The provider's annotation is what callers may rely on."""

    def provide(session: Session):
        return SqlProducts(session)

    provide.__annotations__["return"] = SqlProducts

    assert causes(judged("13.3.4", provide, Service)) == ["names-the-concrete-class"]


def test_concrete_class_named_by_a_check_counts():
    """A service that insists on one class has no use for another."""

    class Strict(Service):
        def __init__(self, products):
            super().__init__(products)
            self.trusted = isinstance(products, SqlProducts)

    assert causes(judged("13.3.4", product_repository, Strict)) == ["names-the-concrete-class"]


def test_provider_without_a_promise_has_no_cause():
    """Saying nothing is not naming the wrong class."""

    def provide(session: Session):
        return SqlProducts(session)

    verdict = judged("13.3.4", provide, Service)

    assert causes(verdict) == []
    assert "what it returns" in verdict.decisive.message


def test_second_session_by_an_uncached_dependency_counts():
    """FastAPI gives a second session where the cache is switched off."""

    def provide(session: Annotated[AsyncSession, Depends(get_session, use_cache=False)]) -> Products:
        return SqlProducts(session)

    assert causes(judged("13.3.4", provide, Service)) == ["two-sessions"]


def test_second_session_that_commits_by_itself_counts():
    """A repository with a transaction of its own keeps what the endpoint rolls back."""

    async def provide(request: Request) -> AsyncIterator[Products]:
        async with request.app.state.sessions.begin() as session:
            yield SqlProducts(session)

    provide.__annotations__["request"] = Request

    assert causes(judged("13.3.4", provide, Service)) == ["two-sessions"]


def test_service_that_commits_inside_has_no_false_cause():
    """Committing in the service is wrong here, and reaches behind the protocol; it is no second session."""

    class Committing(Service):
        async def discount(self, product_id, percent):
            price = await super().discount(product_id, percent)
            await self.products.session.commit()
            return price

    assert causes(judged("13.3.4", product_repository, Committing)) == []


def paged(behind):
    """Build a 13.3.5 answer whose cursor is price and id, with the given condition."""

    async def page_of_products(session, after, limit):
        query = select(Product).order_by(Product.price, Product.id).limit(limit + 1)
        if after:
            price, number = after.split("/")
            query = query.where(behind(Decimal(price), int(number)))
        found = list(await session.scalars(query))
        return found[:limit], f"{found[limit - 1].price}/{found[limit - 1].id}" if found[limit:] else None

    return page_of_products


def test_pair_compared_as_a_pair_passes():
    """What the following tests spoil is right before."""
    assert judged(
        "13.3.5", paged(lambda price, number: tuple_(Product.price, Product.id) > (price, number))
    ).passed


def test_price_that_may_be_equal_repeats_for_ever():
    """With >= a page of equal prices leads to itself, which is a key that is not unique."""
    again = paged(lambda price, _: Product.price >= price)

    verdict = judged("13.3.5", again)

    assert not verdict.passed
    assert "offset-pages" not in [cause.name for cause in verdict.causes]


def test_ids_compared_the_wrong_way_have_no_cause():
    """A sign that is wrong is not a belief about unique keys."""
    wrong = paged(
        lambda price, number: (Product.price > price) | ((Product.price == price) & (Product.id < number))
    )

    assert causes(judged("13.3.5", wrong)) == []


def test_pages_by_id_fail():
    """Another order than the one asked for."""
    assert causes(judged("13.3.5", paged(lambda _, number: Product.id > number))) == []


def test_page_cut_in_python_fails():
    """Everything is fetched for every page."""

    async def page_of_products(session, after, limit):
        found = list(await session.scalars(select(Product).order_by(Product.price, Product.id)))
        start = next((place for place, one in enumerate(found, 1) if str(one.id) == after), 0)
        page = found[start : start + limit]
        return page, str(page[-1].id) if found[start + limit :] else None

    verdict = judged("13.3.5", page_of_products)

    assert causes(verdict) == []
    assert "more rows" in verdict.decisive.message


def test_pages_that_never_end_fail_in_words():
    """A cursor after the last page leads nowhere."""

    async def page_of_products(session, after, limit):
        return list(await session.scalars(select(Product).limit(limit))), "again"

    verdict = judged("13.3.5", page_of_products)

    assert causes(verdict) == []
    assert "never end" in verdict.decisive.message


def test_cursor_that_is_not_text_fails_in_words():
    """The cursor crosses HTTP one day."""

    async def page_of_products(session, after, limit):
        return list(await session.scalars(select(Product).limit(limit))), Decimal(7)

    verdict = judged("13.3.5", page_of_products)

    assert causes(verdict) == []
    assert "text" in verdict.decisive.message
