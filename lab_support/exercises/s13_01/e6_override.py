"""13.1.6: a test that replaces the session dependency, judged by the applications it tells apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.exercises.attempt import Attempt, OpenConnections
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story
from lab_support.exercises.student_code import means_not_attempted
from lab_support.services.store.dtos import ProductRead, ProductWrite
from lab_support.services.store.entities import Product, StoreBase
from lab_support.services.store.mapping import product_columns, product_read

Session = Annotated[AsyncSession, Depends(get_session)]
BROKEN = ("forgets to commit", "answers 200 to a POST", "loses the cents")

override = Exercise(
    id="13.1.6",
    title="A test that overrides the dependency",
    task="Write a test that runs the application on a database of its own and notices when creating is broken.",
    student_writes=("a_test",),
    witness="measured",
    limit_s=20.0,
    hints=(
        "Three things to get right: which database the application uses, what you assert, what you leave behind.",
        "`app.dependency_overrides[get_session] = …` in a try, `.clear()` in its finally; a file, or one shared "
        "connection (StaticPool) for `:memory:`; then POST, GET on the Location, and assert both.",
        "app.dependency_overrides[get_session] = use_my_sessions\n"
        "try:\n    …  # POST: assert 201; GET the Location: assert name and price\n"
        "finally:\n    app.dependency_overrides.clear()\n    await engine.dispose()",
    ),
    misconceptions=(
        Misconception(
            "override-leaks",
            "You believe that a test may leave the application as it used it. The next test then talks to your "
            "database. Clear dependency_overrides in a finally.",
            lambda seen: (seen.overrides_left or 0) > 0,
        ),
        Misconception(
            "memory-database-per-connection",
            "You believe that ':memory:' is one database. It is a new, empty one for every connection, so the tables "
            "you created are elsewhere. Use a file, or StaticPool.",
            lambda seen: (
                "OperationalError" in (seen.good_app_errors or ()) and (seen.connections_opened or 0) > 1
            ),
        ),
        Misconception(
            "asserts-nothing",
            "You believe that a test which runs has tested something. Yours accepts an application that is broken: "
            "assert the status, and what GET shows afterwards.",
            lambda seen: bool(seen.broken_accepted) and not seen.overrides_left,
        ),
    ),
)


def _app(attempt: Attempt, fault: str) -> FastAPI:
    """Build the application under test on the real database, whole or with one fault."""
    app = FastAPI(title="products")
    app.state.sessions = attempt.sessions

    @app.post("/products", status_code=200 if fault == "answers 200 to a POST" else 201)
    async def create(product: ProductWrite, session: Session, response: Response) -> ProductRead:
        created = Product(**product_columns(product))
        if fault == "loses the cents":
            created.price = Decimal(int(created.price))
        session.add(created)
        await session.flush()
        if fault != "forgets to commit":
            await session.commit()
        response.headers["Location"] = f"/products/{created.id}"
        return product_read(created)

    @app.get("/products/{product_id}")
    async def read(product_id: int, session: Session) -> ProductRead:
        found = await session.get(Product, product_id)
        if found is None:
            raise HTTPException(404, "There is no such product.")
        return product_read(found)

    return app


@override.act
async def run_test(attempt: Attempt, fault: str) -> dict[str, Any]:
    """Run the student's test once against one application and say how it ended."""
    app, raised = _app(attempt, fault), None
    with OpenConnections() as opened:
        try:
            await attempt.the("a_test")(app)
        except Exception as error:
            if means_not_attempted(error):
                raise
            raised = error
    types = [type(raised).__name__, type(getattr(raised, "__cause__", None)).__name__] if raised else []
    return {
        "passed": raised is None,
        "types": types,
        "text": str(raised)[:200],
        "overrides": len(app.dependency_overrides),
        "opened": opened.count,
    }


@override.scenario("the test passes on a good application and leaves the real database alone")
async def passes_on_the_good_one(story: Story) -> None:
    await story.create(StoreBase.metadata)
    answer = await story.ask(
        run_test, call="your test against the good application", fresh_process=True, fault=""
    )
    errors = [*answer["types"], *(answer.unhandled.types if answer.unhandled else ())]
    story.saw(good_app_errors=errors, connections_opened=answer["opened"])
    story.saw(overrides_left=answer["overrides"])
    said = f"{answer['types'][:1]} {answer['text']}".strip()
    story.expect(
        answer["passed"], "Your test fails on an application that works.", expected="it passes", observed=said
    )
    left = (await story.rows(select(func.count().label("products")).select_from(Product)))[0]["products"]
    story.equal(left, 0, "Your test wrote into the application's real database.")
    story.equal(answer["overrides"], 0, "Your test left its override behind.")


@override.scenario("the test fails on each of three broken applications", points=2)
async def fails_on_the_broken_ones(story: Story) -> None:
    await story.create(StoreBase.metadata)
    accepted = []
    for fault in story.random.sample(BROKEN, len(BROKEN)):
        answer = await story.ask(
            run_test, call="your test against a broken application", fresh_process=True, fault=fault
        )
        accepted += [fault] if answer["passed"] else []
        story.saw(
            overrides_left=max(answer["overrides"], story.seen.overrides_left or 0), broken_accepted=accepted
        )
        story.expect(not answer["passed"], f"Your test passes on an application that {fault}.",
                     expected="it fails", observed="it passes")  # fmt: skip
        story.equal(answer["overrides"], 0, "When your test fails, it leaves its override behind.")
