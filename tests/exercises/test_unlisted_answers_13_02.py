"""Answers to 13.2 that nobody stored: the reference with one thing changed, wrong or right, and plain nonsense."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab_support.exercises import State, Verdict, find, judge, section
from lab_support.notebooks import read_notebook

SOLUTION = Path(__file__).resolve().parents[2] / "solutions" / "13_02_dto_and_entity.ipynb"
IDS = [exercise.id for exercise in section("13.2")]

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",  # wrong answers leave coroutines behind
    "ignore:coroutine:RuntimeWarning",
)


@cache
def reference(exercise_id: str) -> str:
    cells = read_notebook(SOLUTION).cells
    roles = ("given", "work")
    return "\n\n".join(
        cell.source
        for cell in cells
        if cell.name and cell.name.exercise == exercise_id and cell.name.role in roles
    )


def judged(exercise_id: str, *changes: tuple[str, str], seed: int = 1301) -> Verdict:
    """Judge the reference solution after replacing pieces of its text."""
    source, exercise = reference(exercise_id), find(exercise_id)
    for old, new in changes:
        assert old in source, f"the reference of {exercise_id} no longer says {old!r}"
        source = source.replace(old, new)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, f"answer to {exercise_id}", "exec", dont_inherit=True), names)  # noqa: S102
    return judge(exercise, {name: names[name] for name in exercise.student_writes}, seed=seed)


def told(verdict: Verdict) -> str:
    return " ".join(f"{case.message} {case.observed}" for case in verdict.cases if case.message)


def causes(verdict: Verdict) -> list[str]:
    return [cause.name for cause in verdict.causes]


@pytest.mark.parametrize("nonsense", [None, 7, "text", [], object, lambda *_: None, type, print])
@pytest.mark.parametrize("exercise_id", IDS)
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and no belief is read into it."""
    exercise = find(exercise_id)

    verdict = judge(exercise, dict.fromkeys(exercise.student_writes, nonsense))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert verdict.causes == ()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("exercise_id", IDS)
def test_reference_passes_whatever_is_drawn(exercise_id, seed):
    """The verdict on right work does not hang on the numbers drawn."""
    assert judged(exercise_id, seed=seed).passed


RENAMED = 'validation_alias=AliasChoices("product_id", "id")'
NAMED = 'validation_alias=AliasChoices("product_name", "name")'


def test_models_that_rename_nothing_have_no_cause():
    """Showing `id` and `name` is another mistake than renaming in one direction."""
    verdict = judged(
        "13.2.1",
        (f"product_id: int = Field({RENAMED})", "id: int"),
        (f"product_name: str = Field({NAMED})", "name: str"),
    )

    assert verdict.state is State.FAILED
    assert causes(verdict) == []


def test_models_that_read_no_entity_have_no_cause():
    """Without from_attributes an entity is refused as a whole, not for its names."""
    verdict = judged("13.2.1", ("    model_config = ConfigDict(from_attributes=True)\n", ""))

    assert "does not read an entity" in told(verdict)
    assert causes(verdict) == []


@pytest.mark.parametrize(
    ("guard", "without", "told_about"),
    [
        ("min_length=1, ", "", "cannot keep"),
        ("max_length=200", "max_length=201", "cannot keep"),
        ("ge=0, max_digits=12", "max_digits=12", "cannot keep"),
        ("max_digits=12, decimal_places=2", "max_digits=13, decimal_places=3", "cannot keep"),
        ("max_length=500", "max_length=400_000", "cannot keep"),
        ("stock: int = Field(0, ge=0)", "stock: int = 0", "cannot keep"),
        ("max_length=200", "max_length=100", "refuses values that the table can keep"),
        ("ge=0, max_digits=12", "gt=0, max_digits=12", "refuses values that the table can keep"),
        (
            "price: Decimal = Field(ge",
            'price: Decimal = Field(default=Decimal("1"), ge',
            "does not ask for price",
        ),
    ],
)
def test_limits_that_are_missing_or_narrower_are_told(guard, without, told_about):
    """What the table cannot keep is refused, and what it can keep is not."""
    verdict = judged("13.2.1", (guard, without))

    assert verdict.state is State.FAILED
    assert told_about in told(verdict)
    assert causes(verdict) == []


def test_cost_hidden_under_another_name_is_a_leak():
    """The cost is looked for by its value too."""
    verdict = judged(
        "13.2.1",
        (
            "    description: str | None\n    stock: int",
            '    description: str | None\n    stock: int\n    bought_for: Decimal = Field(0, alias="supplier_cost")',
        ),
    )

    assert "leaks-confidential" in causes(verdict)


def test_update_that_inherits_from_create_passes():
    """How the models share their fields is their author's business."""
    assert judged(
        "13.2.1",
        ("class ProductUpdate(BaseModel):", "class ProductUpdate(ProductCreate):"),
    ).passed


def test_change_that_nulls_the_rest_has_no_cause():
    """Setting unsent fields to null fails, and is none of the three beliefs."""
    verdict = judged("13.2.2", ("changes.model_dump(exclude_unset=True)", "changes.model_dump()"))

    assert not verdict.passed
    assert causes(verdict) == []


def test_query_that_loses_products_without_supplier_has_no_cause():
    """An inner join finds no product that has no supplier."""
    verdict = judged(
        "13.2.2",
        ("import selectinload", "import contains_eager"),
        (
            ".options(selectinload(Product.supplier))",
            ".join(Product.supplier).options(contains_eager(Product.supplier))",
        ),
    )

    assert verdict.state is State.FAILED
    assert causes(verdict) == []


def test_query_for_every_product_fails():
    """A query that ignores the id finds more than one product."""
    verdict = judged("13.2.2", (".where(Product.id == product_id)", ""))

    assert not verdict.passed
    assert causes(verdict) == []


def test_mapping_with_a_typo_has_no_cause():
    """An attribute that does not exist is neither a rename nor a lazy load."""
    verdict = judged("13.2.2", ("product_name=product.name", "product_name=product.nmae"))

    assert verdict.state is State.ERROR
    assert "nmae" in told(verdict)
    assert causes(verdict) == []


def test_entity_with_a_wrong_keyword_of_its_own_has_no_cause():
    """Only the API's own name in the entity tells of the rename."""
    verdict = judged(
        "13.2.2", ('Product(name=columns.pop("product_name")', 'Product(title=columns.pop("product_name")')
    )

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


def test_change_that_forgets_the_name_but_sets_the_rest_is_a_lost_rename():
    """The name is still the old one while price and stock are new."""
    verdict = judged(
        "13.2.2",
        ('"name" if name == "product_name" else name', '"title" if name == "product_name" else name'),
    )

    assert causes(verdict) == ["rename-mismatch"]


def test_change_that_does_nothing_has_no_cause():
    """Where nothing at all is set, the name is not what is missing."""
    verdict = judged("13.2.2", ("        setattr(product,", "        (product,"))

    assert not verdict.passed
    assert causes(verdict) == []


def test_view_as_a_coroutine_is_told():
    """A coroutine function has no JSON."""
    verdict = judged("13.2.2", ("def to_view", "async def to_view"))

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


SALTED = ("return PasswordHasher().hash(password)", "import secrets, hashlib; s = secrets.token_hex(8); "
          "return s + hashlib.sha256((s + password).encode()).hexdigest()")  # fmt: skip


def test_salted_sha256_fails_without_a_false_cause():
    """Different hashes, yet not argon2's: told, and not called unsalted."""
    verdict = judged("13.2.3", SALTED)

    assert "not argon2's hash" in told(verdict)
    assert causes(verdict) == []


def test_argon2_with_one_salt_for_all_fails_without_a_false_cause():
    """Equal hashes of the right kind are told, and not called a fast hash."""
    verdict = judged("13.2.3", (".hash(password)", '.hash(password, salt=b"the-shop-is-salt")'))

    assert "two different hashes" in told(verdict)
    assert causes(verdict) == []


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("import logging; logging.getLogger('shop').debug('new %s', new.password.get_secret_value())", "log"),
        ("print(new.password.get_secret_value())", "log"),
        ("await session.execute(__import__('sqlalchemy').text('SELECT :a'), "
         "{'a': new.password.get_secret_value()})", "SQL"),
    ],
)  # fmt: skip
def test_password_that_is_told_on_the_way_is_found(line, place):
    """Logs of any level, printed lines and parameters of statements are searched."""
    verdict = judged("13.2.3", ("    user = User(", f"    {line}\n    user = User("))

    assert f"stands in the {place}" in told(verdict)
    assert causes(verdict) == []


def test_password_in_a_repr_is_found():
    """A plain str shows itself."""
    verdict = judged(
        "13.2.3",
        ("password: SecretStr", "password: str"),
        ("new.password.get_secret_value()", "new.password"),
    )

    assert "UserCreate shows the password" in told(verdict)
    assert causes(verdict) == []


def test_password_in_the_answer_is_found():
    """An answer that repeats the password is told."""
    verdict = judged(
        "13.2.3",
        ("user_id: int\n", "user_id: int\n    password: str = ''\n"),
        ("UserRead(user_id=user.id,", "UserRead(password=new.password.get_secret_value(), user_id=user.id,"),
    )

    assert "stands in the answer" in told(verdict)


def test_hash_shown_by_get_alone_is_found():
    """The hash is searched for in every answer."""
    shown = "    return UserRead(user_id=user.id, email=user.email, user_name=user.user_name)"
    source = reference("13.2.3")
    last = source[source.index("async def show_user") :]
    verdict = judged(
        "13.2.3",
        (
            last,
            last.replace(shown, shown.replace("user_name=user.user_name", "user_name=user.password_hash")),
        ),
    )

    assert causes(verdict) == ["hash-in-response"]


def test_verifier_that_always_agrees_fails():
    """A wrong password must not verify."""
    verdict = judged("13.2.3", ("return PasswordHasher().verify(password_hash, password)", "return True"))

    assert verdict.state is State.FAILED
    assert causes(verdict) == []


def test_verifier_that_raises_is_an_error():
    """argon2's exception for a wrong password has to become False."""
    verdict = judged("13.2.3", ("except Argon2Error", "except KeyError"))

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [("except IntegrityError", "except KeyError", "409"), ("min_length=12", "min_length=8", "422"),
     ("    if user is None:\n", "    if False:\n", "404"), ("status_code=201", "status_code=200", "201")],
)  # fmt: skip
def test_statuses_of_users_are_told(old, new, status):
    """Each status that the task names is asked for."""
    verdict = judged("13.2.3", (old, new))

    assert verdict.state is State.FAILED
    assert status in told(verdict)
    assert causes(verdict) == []


@pytest.mark.parametrize("mode", ["ROUND_HALF_EVEN", "ROUND_HALF_DOWN", "ROUND_DOWN", "ROUND_UP"])
def test_another_rounding_of_decimals_is_not_called_a_float(mode):
    """Decimal with another rounding is off by a cent too, but not as floats are."""
    verdict = judged("13.2.4", ("ROUND_HALF_UP", mode))

    assert verdict.state is State.FAILED
    assert "A price is off" in told(verdict)
    assert causes(verdict) == []


@pytest.mark.parametrize(
    "formula",
    [
        "round(float(self.price) * (1 + float(self.tax_percent) / 100), 2)",
        "round(float(self.price) * float(100 + self.tax_percent) / 100, 2)",
        "float(self.price) + round(float(self.price) * float(self.tax_percent) / 100, 2)",
    ],
)
@pytest.mark.parametrize("seed", [1301, 7])
def test_floats_are_recognised_even_as_strings(formula, seed):
    """Floats written with two decimals are known by the half cents that they lose, some and not others."""
    verdict = judged(
        "13.2.4",
        ('return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)', f'return Decimal(f"{{{formula}:.2f}}")'),
        seed=seed,
    )

    assert causes(verdict) == ["float-rounding"]


def test_wrong_tax_is_not_called_rounding():
    """A price that is off by more than its half cent has another reason."""
    verdict = judged("13.2.4", ("(100 + self.tax_percent)", "(101 + self.tax_percent)"))

    assert verdict.state is State.FAILED
    assert causes(verdict) == []


def test_list_with_a_wide_join_is_a_detail_in_the_list():
    """One statement that reads every review is no cheap list."""
    verdict = judged(
        "13.2.4",
        ("import selectinload", "import joinedload, selectinload"),
        (".limit(limit)", ".limit(limit).options(joinedload(Product.reviews))"),
        ("await session.scalars(query)]", "(await session.scalars(query)).unique()]"),
    )

    assert causes(verdict) == ["detail-in-list"]


def test_list_that_asks_again_for_each_product_has_no_cause():
    """N+1 of products is not the detail in the list."""
    verdict = judged(
        "13.2.4",
        ("query = select(Product).order_by(Product.id).limit(limit)",
         "query = select(Product.id).order_by(Product.id).limit(limit)"),
        ("PricedSummary.model_validate(product) for product in await session.scalars(query)",
         "PricedSummary.model_validate(await session.get(Product, one)) for one in await session.scalars(query)"),
    )  # fmt: skip

    assert "too many statements" in told(verdict)
    assert causes(verdict) == []


def test_detail_without_its_reviews_loaded_has_no_cause():
    """A lazy read in the detail says nothing about the list."""
    verdict = judged("13.2.4", (".options(selectinload(Product.reviews))", ""))

    assert verdict.state is State.ERROR
    assert "MissingGreenlet" in told(verdict)
    assert causes(verdict) == []


def test_list_without_order_or_limit_fails():
    """The list is the first products in order of their ids."""
    for old in (".order_by(Product.id)", ".limit(limit)"):
        new = ".order_by(Product.id.desc())" if "order" in old else ""
        verdict = judged("13.2.4", (old, new))

        assert verdict.state is State.FAILED
        assert causes(verdict) == []


def test_what_pydantic_refused_is_told_with_its_field():
    """The card names the field and the reason, and not only that there was one error."""
    verdict = judged("13.2.4", ("    description: str | None", "    description: int"))

    assert verdict.state is State.ERROR
    assert "description: Input should be a valid integer" in told(verdict)
    assert causes(verdict) == []


FILL = "connection.execute(sa.update(table).where(table.c.id == row.id).values(in_two(row.name)))"


def test_renamed_route_changes_the_contract_without_a_cause():
    """Another operationId is told; the fields are what they were."""
    verdict = judged("13.2.5", ("async def get_product", "async def product"))

    assert "OpenAPI" in told(verdict)
    assert causes(verdict) == []


def test_migration_with_a_typo_is_not_called_broken_rows():
    """A mistake that meets any row is no mistake about old rows."""
    verdict = judged("13.2.5", ("in_two(row.name)", "in_two(row.nmae)"))

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


def test_migration_that_does_nothing_is_told_the_columns():
    """A migration that leaves the table alone is seen in the table."""
    source = reference("13.2.5")
    body = source[source.index("    op.add_column") : source.index("    ### END SOLUTION")]
    verdict = judged("13.2.5", (body, "    pass\n"))

    assert "other columns" in told(verdict)
    assert causes(verdict) == []


def test_column_that_stays_is_told():
    """The old column has to go."""
    verdict = judged("13.2.5", ('    op.drop_column("products", "name")\n', ""))

    assert "other columns" in told(verdict)
    assert causes(verdict) == []


def test_migration_as_a_coroutine_is_told():
    """Nobody awaits a migration."""
    verdict = judged("13.2.5", ("def upgrade", "async def upgrade"))

    assert not verdict.passed
    assert causes(verdict) == []


@pytest.mark.parametrize(
    "fill",
    [
        "connection.execute(sa.update(table).where(table.c.id == row.id).values(brand=row.name))",
        "connection.execute(sa.update(table).where(table.c.id == row.id).values("
        "**dict(zip(('brand', 'model'), (*row.name.split(None, 1), None)))))",
        "connection.execute(sa.update(table).where(table.c.id == row.id).values("
        "**dict(zip(('brand', 'model'), row.name.rsplit(' ', 1)))))",
        "connection.execute(sa.update(table).where(table.c.id == row.id).values(in_two(row.name[:12])))",
    ],
)
def test_old_rows_that_are_split_otherwise_are_known(fill):
    """Whole names as brands, any white space as the border, the last space, cut names: all break old rows."""
    assert causes(judged("13.2.5", (FILL, fill))) == ["old-rows-broken"]


def test_new_rows_that_are_split_otherwise_have_no_cause():
    """Where new rows are wrong as well, the mistake is in the mapping."""
    verdict = judged("13.2.5", ('name.partition(" ")', 'name.rpartition(" ")'))

    assert verdict.state is State.FAILED
    assert causes(verdict) == []


def test_empty_model_instead_of_null_passes():
    """Whether no model is NULL or empty text shows nowhere."""
    assert judged(
        "13.2.5",
        ("model if space else None", "model"),
        ("product.brand if product.model is None", "product.brand if not product.model"),
    ).passed
