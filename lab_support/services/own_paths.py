"""A route that hands whole paths to a service: it answers the same ones when it runs alone.

Section:
    13.5, "One shop, several databases"; 13.9, "One database per service, by URL"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class OwnPaths(BaseRoute):
    """Gives a service every request for its paths, and what lies below them, without cutting anything off.

    A Mount at "/orders" would cut the prefix off, and redirect `POST /orders` to "/orders/".
    """

    def __init__(self, app: ASGIApp, prefixes: Sequence[str]) -> None:
        self.app = app
        self.prefixes = tuple(prefixes)

    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        """Match a prefix itself and all below it, and no longer name that begins alike."""
        if scope["type"] in ("http", "websocket"):
            path = get_route_path(scope)
            if any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes):
                return Match.FULL, {"endpoint": self.app}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the service answer."""
        await self.app(scope, receive, send)
