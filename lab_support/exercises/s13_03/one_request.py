"""An application of the judge's own whose endpoint uses the student's provider and service, and owns the transaction.

Section:
    13.3, "The provider: FastAPI gives the protocol, and the same session"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Depends, FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from lab_support.database import get_session
from lab_support.exercises.attempt import Attempt


class Nothing:
    """Stands for the class of a repository that was not provided."""


def discount_app(attempt: Attempt, met: dict[str, Any]) -> FastAPI:
    """Build the application; `met` takes the endpoint's session and the repository's class."""
    app = FastAPI()
    app.state.sessions = attempt.sessions
    product_repository = attempt.the("product_repository")

    @app.post("/products/{product_id}/discount")
    async def discount(
        product_id: int,
        percent: int,
        keep: bool,
        session: AsyncSession = Depends(get_session),  # noqa: B008
        products: Any = Depends(product_repository),  # noqa: B008 - it is local
    ) -> str:
        met["session"] = session.sync_session
        price = await attempt.the("ProductService")(products).discount(product_id, percent)
        await (session.commit() if keep else session.rollback())
        return str(price)

    @app.get("/repository")
    async def repository(products: Any = Depends(product_repository)) -> None:  # noqa: B008
        met["class"] = type(products)

    return app


async def concrete_class(attempt: Attempt) -> type:
    """Return the class of the repository that the provider provides; `Nothing` where that is none of anybody's."""
    met: dict[str, Any] = {}
    async with attempt.client(discount_app(attempt, met)) as client:
        await client.get("/repository")
    concrete: type = met.get("class", Nothing)
    return Nothing if concrete.__module__ == "builtins" else concrete


@contextmanager
def sessions_that_begin() -> Iterator[list[Session]]:
    """Collect every session that begins a transaction while the block runs."""
    begun: list[Session] = []

    def began(session: Session, *_: Any) -> None:
        begun.append(session)

    event.listen(Session, "after_begin", began)
    try:
        yield begun
    finally:
        event.remove(Session, "after_begin", began)
