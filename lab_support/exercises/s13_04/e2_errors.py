"""13.4.2: errors to HTTP, judged by answers, by what the service raises without HTTP, and by what a body gives away."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fastapi import Body, Depends, FastAPI
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.database.faults import fault
from lab_support.exercises.attempt import Attempt, OnPurposeError
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import in_words, send
from lab_support.exercises.s13_04.ledger import books, new_rows, open_shop, writers
from lab_support.exercises.s13_04.shop import Order, Product, User
from lab_support.exercises.story import Answer, Story

NEVER = 1_000_000
BROKEN = {"PendingRollbackError", "InFailedSQLTransactionError"}
TELLTALES = ("INSERT INTO", "SELECT ", "UPDATE ", "UNIQUE constraint", "no such table", "sqlalche.me")

errors = Exercise(
    id="13.4.2",
    title="Errors to HTTP",
    task="Let the service raise the shop's own errors, and let one table at the border turn them into statuses.",
    student_writes=("place", "install_errors"),
    witness="answers",
    limit_s=20.0,
    hints=(
        "Three questions. Could a script call `place`? Who reads the body of a 500? What may a session do after a "
        "flush has failed?",
        "`app.add_exception_handler(OutOfStock, handler)` maps one error. A flush that failed needs "
        "`await session.rollback()`, or `async with session.begin_nested()` around it, before the next query.",
        "try:\n    async with session.begin_nested():\n        session.add(order)\nexcept IntegrityError:\n"
        "    await session.rollback()\n    # now look for the order with that reference, and raise DuplicateOrder(id)",
    ),
    misconceptions=(
        Misconception(
            "http-exception-in-service",
            "You believe that a service may answer in HTTP. A script or a consumer of messages has no use for a "
            "status: raise the shop's errors, and translate them in install_errors.",
            lambda seen: seen.raised_http is True,
        ),
        Misconception(
            "str-of-exception",
            "You believe that an error's text is meant for the caller. It holds SQL, table names and secrets: send a "
            "sentence of your own, and keep the text for the log.",
            lambda seen: seen.leaked is True,
        ),
        Misconception(
            "uses-session-after-failed-flush",
            "You believe that catching an IntegrityError mends the session. Its transaction has failed, and the next "
            "query is refused: roll back first, or flush inside begin_nested().",
            lambda seen: bool(BROKEN & {*(seen.errors or ())}),
        ),
    ),
)


def _app(attempt: Attempt) -> FastAPI:
    """Build an application whose one route calls the student's service."""
    app = FastAPI()
    app.state.sessions = attempt.sessions
    attempt.the("install_errors")(app)

    @app.post("/orders", status_code=201)
    async def post(body: dict[str, Any] = Body(), session: AsyncSession = Depends(get_session)) -> Any:  # noqa: B008
        return {"order_id": await attempt.the("place")(session, **body)}

    return app


@errors.act
async def post_order(
    attempt: Attempt, body: dict[str, Any], after: int = NEVER, secret: str = ""
) -> dict[str, Any]:
    """Post an order; with an error of that text after so many statements, if asked for."""
    with fault(attempt.engine, after_statement=after, error=OnPurposeError(secret)):
        return await send(attempt, _app(attempt), "POST", "/orders", body)


@errors.act
async def in_a_script(attempt: Attempt, body: dict[str, Any]) -> dict[str, Any]:
    """Call the service where there is no HTTP, and say of what kinds its error is."""
    async with writers(attempt)() as session:
        try:
            return {"id": await attempt.the("place")(session, **body), "kinds": []}
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            if not {"ShopError", "HTTPException"} & {*kinds}:
                raise
            return {"kinds": kinds, "order_id": getattr(error, "order_id", None)}


async def _a_shop(story: Story) -> dict[str, Any]:
    """Open a shop, and return the body of an order that can be filled."""
    await open_shop(story, stock=6)
    user_id = (await story.rows(select(User.id)))[0]["id"]
    product_id = (await story.rows(select(Product.id)))[0]["id"]
    quantity = story.random.randint(1, 2)
    return {
        "user_id": user_id,
        "product_id": product_id,
        "quantity": quantity,
        "reference": _reference(story),
    }


def _reference(story: Story) -> str:
    return f"ref-{story.random.randint(10**6, 10**9)}"


async def _post(story: Story, body: dict[str, Any], **more: Any) -> Answer:
    """Post an order, and look whether the answer gives anything away."""
    answer = await story.ask(post_order, call=in_words("POST", "/orders", body), body=body, **more)
    telltales = [one for one in (*TELLTALES, more.get("secret")) if one and one in answer["text"]]
    story.saw(leaked=bool(telltales) or story.seen.leaked)
    story.expect(not telltales, "The body gives away what only the log may know.",
                 expected="a sentence of your own", observed=answer["text"])  # fmt: skip
    return answer


def _refusals(body: dict[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return each refusal by its error's name, with its status and an order that meets it."""
    return {
        "UnknownProduct": (404, body | {"product_id": body["product_id"] + 1}),
        "OutOfStock": (409, body | {"quantity": 7}),
        "InsufficientBalance": (402, body),
    }


async def _make_poor(story: Story, name: str) -> None:
    if name == "InsufficientBalance":
        await story.write(update(User).values(balance=Decimal("0.10")))


@errors.scenario("an order is placed, and each refusal has its status")
async def statuses(story: Story) -> None:
    body = await _a_shop(story)
    before = await books(story)
    answer = await _post(story, body)
    story.equal(answer["status"], 201, "An order that can be filled was not placed.")
    new = new_rows(before, await books(story))
    story.equal(
        [row[0] for row in new["orders"]], [answer["json"]["order_id"]], "That order is not in the table."
    )
    story.equal((len(new["items"]), len(new["payments"])), (1, 1), "The order has no item or no payment.")
    for name, (status, wanted) in _refusals(body | {"reference": _reference(story)}).items():
        await _make_poor(story, name)
        before = await books(story)
        answer = await _post(story, wanted)
        story.equal(answer["status"], status, f"{name} has another status.")
        story.expect(await books(story) == before, f"{name} was answered, and something is left.")


@errors.scenario("the service speaks of the shop, not of HTTP")
async def without_http(story: Story) -> None:
    body = await _a_shop(story)
    for name, (_, wanted) in _refusals(body).items():
        await _make_poor(story, name)
        answer = await story.ask(in_a_script, call=f"place(…) in a script, where {name} is due", body=wanted)
        kinds = answer["kinds"]
        story.saw(raised_http="HTTPException" in kinds or story.seen.raised_http)
        story.expect(name in kinds, "The script got another error than the shop's own.",
                     expected=name, observed=kinds[0] if kinds else "no error")  # fmt: skip


@errors.scenario("the same reference twice is answered with the first order")
async def duplicate(story: Story) -> None:
    body = await _a_shop(story)
    first = (await _post(story, body))["json"]["order_id"]
    before = await books(story)
    again = await _post(story, body)
    story.equal(again["status"], 409, "A reference that is taken has another status.")
    story.expect(str(first) in again["text"], "The body does not say which order has that reference.",
                 expected=f"order_id {first}", observed=again["text"])  # fmt: skip
    script = await story.ask(
        in_a_script, call="place(…) in a script, with a reference that is taken", body=body
    )
    story.saw(raised_http="HTTPException" in script["kinds"] or story.seen.raised_http)
    story.expect("DuplicateOrder" in script["kinds"], "The script got another error than DuplicateOrder.",
                 expected="DuplicateOrder", observed=script["kinds"][:1])  # fmt: skip
    story.equal(script["order_id"], first, "DuplicateOrder names another order.")
    story.expect(await books(story) == before, "The second order took stock or money.")


@errors.scenario("a reference that somebody else takes meanwhile is a duplicate too", on="postgresql")
async def duplicate_meanwhile(story: Story) -> None:
    body = await _a_shop(story)
    theirs = story.random.randint(10**5, 10**6)
    values = {"id": theirs, "user_id": body["user_id"], "reference": body["reference"]}

    async def rival(connection: Any) -> None:
        await connection.execute(insert(Order).values(values))

    answer = await _post(story, body, rival=rival, rival_before=r'\s*INSERT\s+INTO\s+"?orders\b')
    if answer.rival == "came between":
        story.equal(answer["status"], 409, "Somebody else took the reference, and the answer is not 409.")
        story.expect(str(theirs) in answer["text"], "The body does not say which order has that reference.",
                     expected=f"order_id {theirs}", observed=answer["text"])  # fmt: skip
    orders = await story.rows(select(Order.id).where(Order.reference == body["reference"]))
    story.equal(len(orders), 1, "The reference belongs to more or fewer than one order.")


@errors.scenario("anything else is a 500 that gives nothing away")
async def unexpected(story: Story) -> None:
    body = await _a_shop(story)
    before = await books(story)
    secret = f"password-{story.random.randint(10**6, 10**9)}"
    answer = await _post(story, body, after=2, secret=secret)
    story.equal(answer["status"], 500, "An unexpected error has another status.")
    story.expect(await books(story) == before, "After a 500 something is left.")
    await story.write("ALTER TABLE payments RENAME TO paid")
    answer = await _post(story, body, may_fail=True)
    story.equal(answer["status"], 500, "An unexpected error has another status.")
