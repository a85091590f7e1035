"""A buyer who orders over HTTP as one should: with a key, patiently, and until the order has come to its end.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.9, "One command, many processes"
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from lab_support.services.vocabulary import PayBy

PATIENCE_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.5
_AGAIN: Final = frozenset([502, 503, 504])
"""What an overloaded, stopped or restarted service leads to: the same request may be sent again."""

IN_REVIEW: Final = "IN REVIEW"
"""Said of an order that waits for a person."""


class ShopError(Exception):
    """The shop can't be used as it should; the text says why, on one line."""


class RefusedError(ShopError):
    """The shop understood the request and refuses it; asking again would change nothing."""


class SilentError(ShopError):
    """The shop gave no usable answer within the buyer's patience."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to order.

    Attributes:
        customer_id: Who.
        pay_by: How it is paid.
        items: Pieces by sku.
    """

    customer_id: str
    pay_by: PayBy
    items: Mapping[str, int]

    def body(self) -> dict[str, Any]:
        """What `POST /orders` takes."""
        lines = [{"sku": sku, "quantity": pieces} for sku, pieces in self.items.items()]
        return {"customer_id": self.customer_id, "pay_by": self.pay_by, "items": lines}


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Orders, and asks what has become of it.

    Attributes:
        client: Its base address is the shop's.
        patience_s: The longest it asks for one thing, in seconds.
        sleep: Waits for so many seconds.
        clock: Gives seconds that only grow.
    """

    client: httpx.AsyncClient
    patience_s: float = PATIENCE_S
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    async def sold(self) -> list[str]:
        """Ask what is for sale; where nobody answers at all, nobody is waited for.

        Raises:
            ShopError: Nobody answers at this address, or no shop.
        """
        try:
            answer = await self.client.get("/prices")
            if answer.status_code in _AGAIN:
                answer = await self.ask("GET", "/prices")
            skus = sorted(str(one["sku"]) for one in answer.raise_for_status().json())
        except httpx.HTTPStatusError as error:
            raise ShopError(
                f"{self.client.base_url} answers {error.response.status_code} to GET /prices: is Orders served there?"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise ShopError(
                f"no shop answers at {self.client.base_url}: {reason}. Start `lab serve`, or name another with --at."
            ) from error
        except (ValueError, LookupError, TypeError) as error:
            raise ShopError(f"{self.client.base_url} answers, but is no shop.") from error
        if not skus:
            raise ShopError(
                f"the shop at {self.client.base_url} sells nothing. Add products to its catalogue."
            )
        return skus

    async def place(self, wish: Wish, key: str) -> str:
        """Order something, once, however often the request has to be sent; return the order's id.

        Args:
            wish: What.
            key: The buyer's own name for this one order.

        Raises:
            RefusedError: The shop does not take it.
            SilentError: There was no usable answer in time; it may have been taken.
        """
        headers = {"Idempotency-Key": key}
        answer = await self.ask("POST", "/orders", json=wish.body(), headers=headers)
        if answer.status_code != 202:
            raise RefusedError(f"the order was answered {answer.status_code}: {_detail(answer)}")
        return str(answer.json()["order_id"])

    async def ended(self, order_id: str) -> str:
        """Wait for the end of an order and return its status; "IN REVIEW" when it waits for a person.

        Raises:
            RefusedError: The shop does not know the order.
            SilentError: It has not ended in time.
        """
        give_up, pause = self.clock() + self.patience_s, FIRST_PAUSE_S
        while True:
            answer = await self.ask("GET", f"/orders/{order_id}")
            if answer.status_code != 200:
                raise RefusedError(f"order {order_id} was answered {answer.status_code}: {_detail(answer)}")
            status = str(answer.json()["status"])
            if not status.startswith("PENDING"):
                return status
            if self.clock() > give_up:
                return await self._reviewed(order_id, status)
            await self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request that may be repeated until there is an answer that is not "try again".

        Raises:
            SilentError: There was none in time.
        """
        give_up, pause = self.clock() + self.patience_s, FIRST_PAUSE_S
        while True:
            try:
                answer = await self.client.request(method, path, **how)
                if answer.status_code not in _AGAIN:
                    return answer
                said = f"{answer.status_code}: {_detail(answer)}"
            except httpx.TransportError as error:
                said = str(error) or type(error).__name__
            if self.clock() > give_up:
                raise SilentError(
                    f"{method} {path} had no answer in {self.patience_s:g} s; the last was {said}"
                )
            await self.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _reviewed(self, order_id: str, status: str) -> str:
        reviews = await self.ask("GET", "/orders/reviews", params={"open": "true", "limit": "500"})
        if reviews.status_code == 200 and any(one["order_id"] == order_id for one in reviews.json()):
            return IN_REVIEW
        raise SilentError(f"order {order_id} is still {status} after {self.patience_s:g} s")


def _detail(answer: httpx.Response) -> str:
    """Give the sentence of a problem document, or what stands in its place, cut short."""
    try:
        told = answer.json()
        text = str(told.get("detail") or told.get("title"))
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(text.split())[:200]
