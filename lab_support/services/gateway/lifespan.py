"""The gateway's life: its database, and a client for each service around it, from its start to its end.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import AnyHttpUrl
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.services.gateway.asking import Neighbours
from lab_support.services.gateway.composing import About, Composer, Hint
from lab_support.services.gateway.remote import RemoteService
from lab_support.services.gateway.repository import SummaryRepository
from lab_support.services.gateway.service import Gateway
from lab_support.settings import Settings


def neighbours(settings: Settings, here: Mapping[str, FastAPI]) -> Neighbours:
    """Make a client for each service: at its address, else to its application in this process, else to nobody.

    Args:
        settings: The addresses, such as LAB_ORDERS_AT.
        here: The applications in this process, by name.
    """

    def service(name: str) -> RemoteService:
        address: AnyHttpUrl | None = getattr(settings, f"{name}_at")
        if address is not None:
            # Neither proxies nor .netrc of this machine have a say in who is asked, and with what password.
            client = httpx.AsyncClient(base_url=str(address), trust_env=False)
            return RemoteService(name=name, client=client, at=_shown(address))
        if name not in here:
            return RemoteService(name=name, client=None)
        transport = httpx.ASGITransport(app=here[name], raise_app_exceptions=False)
        return RemoteService(name=name, client=httpx.AsyncClient(base_url="http://shop", transport=transport))

    return Neighbours(
        orders=service("orders"),
        customers=service("customers"),
        payments=service("payments"),
        inventory=service("inventory"),
        catalog=service("catalog"),
    )


def asks_neighbours(
    settings: Settings,
    here: Mapping[str, FastAPI],
    owns_database: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Give the gateway a lifespan in which `app.state.gateway` has its use cases.

    Args:
        settings: Addresses and limits; `app.state.settings` comes first, where it is set.
        here: The applications in this process; looked at when the lifespan begins.
        owns_database: The lifespan of its own database.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        told: Settings = getattr(app.state, "settings", settings)
        async with owns_database(app):
            sessions = app.state.sessions
            composer = Composer(neighbours=neighbours(told, here), hint=summary_hint(sessions))
            try:
                app.state.gateway = Gateway(
                    composer=composer, sessions=sessions, deadline_s=told.gateway_deadline_s
                )
                yield
            finally:
                await composer.close()

    return lifespan


def summary_hint(sessions: async_sessionmaker[AsyncSession]) -> Hint:
    """Tell from the read model what an order is about, before Orders has answered."""

    async def hint(order_id: UUID) -> About | None:
        async with sessions() as session:
            found = await SummaryRepository(session).get(order_id)
        if found is None or found.customer_id is None or found.items is None:
            return None
        return About(found.customer_id, frozenset(str(line["sku"]) for line in found.items))

    return hint


def _shown(address: AnyHttpUrl) -> str:
    """Write an address without the password that somebody may have put into it."""
    port = "" if address.port is None else f":{address.port}"
    return f"{address.scheme}://{address.host}{port}{(address.path or '').rstrip('/')}"
