"""All use cases of Orders, as an application has them at hand.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "Why is this order still pending?"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.services.orders.dtos import TimelineRead
from lab_support.services.orders.errors import OrderNotFoundError
from lab_support.services.orders.mapping import timeline_events
from lab_support.services.orders.orchestration import OrderSagas
from lab_support.services.orders.repository import OrderRepository, ReviewRepository, TimelineRepository
from lab_support.services.orders.reviews import ReviewService
from lab_support.services.orders.service import OrderService
from lab_support.services.orders.story import why
from lab_support.services.orders.timeline import in_causal_order
from lab_support.services.participant import Around
from lab_support.settings import Settings, get_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where orders are taken, told of and reviewed.

    Attributes:
        orders: The use cases of orders.
        reviews: The use cases of the queue of reviews.
        sagas: The orchestrated sagas.
    """

    orders: OrderService
    reviews: ReviewService
    sagas: OrderSagas

    @classmethod
    def of(
        cls,
        sessions: async_sessionmaker[AsyncSession],
        *,
        settings: Settings,
        around: Around | None = None,
        wake: Callable[[], None] | None = None,
    ) -> Desk:
        """Put it together; nothing connects.

        Args:
            sessions: On Orders' database.
            settings: How new orders are coordinated, and how long they may take.
            around: Clock and chance.
            wake: Called after a commit that stored events: the relay's `wake`.
        """
        around = around or Around()
        deadline_s, clock = settings.order_deadline_s, around.clock
        sagas = OrderSagas(deadline_s=deadline_s, clock=clock, random=around.random)
        orders = OrderService(
            sessions=sessions,
            sagas=sagas,
            coordination=settings.coordination,
            deadline_s=deadline_s,
            clock=clock,
            wake=wake,
        )
        reviews = ReviewService(sessions=sessions, sagas=sagas, clock=clock, wake=wake)
        return cls(orders=orders, reviews=reviews, sagas=sagas)

    async def timeline(self, order_id: UUID) -> TimelineRead:
        """Tell an order's saga, and why it is where it is.

        Raises:
            OrderNotFoundError: No order has this id.
        """
        async with self.orders.sessions() as session:
            order = await OrderRepository(session).get(order_id)
            if order is None:
                raise OrderNotFoundError(order_id)
            entries = await TimelineRepository(session).of(order_id)
            reviews = await ReviewRepository(session).of(order_id)
        return TimelineRead(
            order_id=order.id,
            saga_id=order.saga_id,
            status=order.status,
            why=why(order, entries, reviews, self._now()),
            events=timeline_events(in_causal_order(entries)),
        )

    def _now(self) -> datetime:
        return self.orders.clock()


def desk_of(app: FastAPI) -> Desk:
    """Give an application's desk: `app.state.desk`, or one made of what else its state holds.

    That is `sessions`, and if it is there `settings`, `around`, and a `participant` whose relay is to be woken.

    Raises:
        RuntimeError: The application has no sessions.
    """
    state = app.state
    if (desk := getattr(state, "desk", None)) is not None:
        return desk  # type: ignore[no-any-return]
    sessions = getattr(state, "sessions", None)
    if sessions is None:
        raise RuntimeError(
            f"The application '{app.title}' has no session factory. In its lifespan set app.state.sessions, or "
            "app.state.desk = Desk.of(sessions, ...), and see that the lifespan is run."
        )
    participant = getattr(state, "participant", None)
    return Desk.of(
        sessions,
        settings=getattr(state, "settings", None) or get_settings(),
        around=getattr(state, "around", None),
        wake=None if participant is None else participant.relay.wake,
    )
