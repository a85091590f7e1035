"""Another service, as the gateway sees it: one call, bounded in time and in size, that ends with an answer or a reason.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from lab_support.pools.deadlines import DEADLINE_HEADER
from lab_support.services.correlation import correlation_headers
from lab_support.services.gateway.circuit import CircuitBreaker, Outcome
from lab_support.services.gateway.errors import NoAnswerError, Reason

MOST_BYTES: Final = 1024 * 1024
"""The largest answer that is read."""

FAIR_S: Final = 0.5
"""Who did not answer within so many seconds has failed; a caller in a hurry gives less, and that is its own affair."""

_log = logging.getLogger(__name__)
T = TypeVar("T")
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Until:
    """The moment at which all has to be done, by the event loop's clock."""

    moment: float

    @classmethod
    def within(cls, seconds: float) -> Until:
        """So many seconds from now."""
        return cls(asyncio.get_running_loop().time() + seconds)

    @property
    def left_s(self) -> float:
        """The seconds that are left; 0 or more."""
        return max(0.0, self.moment - asyncio.get_running_loop().time())


class Patience:
    """Waits so long and no longer, even for work that does not let itself be cancelled at once.

    A query in a thread is such work: `asyncio.timeout` around it would wait for its end.
    """

    def __init__(self) -> None:
        self._left_behind: set[asyncio.Future[Any]] = set()

    async def wait(self, work: Awaitable[T], seconds: float) -> T:
        """Give what the work gives.

        Raises:
            TimeoutError: It was not done in time; it is cancelled, and ends by itself.
        """
        doing = asyncio.ensure_future(work)
        try:
            await asyncio.wait({doing}, timeout=seconds)
        finally:
            if not doing.done():
                doing.cancel()
                self._left_behind.add(doing)
                doing.add_done_callback(self._forget)
        if doing.done():
            return doing.result()
        raise TimeoutError

    async def close(self) -> None:
        """Let all that was left behind come to its end."""
        if self._left_behind:
            await asyncio.gather(*self._left_behind, return_exceptions=True)

    def _forget(self, doing: asyncio.Future[Any]) -> None:
        self._left_behind.discard(doing)
        if not doing.cancelled():
            doing.exception()  # nobody else will look at it


@dataclass(slots=True, kw_only=True)
class RemoteService:
    """One service, reached over HTTP.

    Attributes:
        name: The service's.
        client: Knows its address; None when nobody said where it is.
        circuit: Leaves it alone after failures.
        at: Its address for a person; None in the same process.
        most_bytes: A larger answer is not read to its end.
        fair_s: A wait shorter than this does not count against the service.
    """

    name: str
    client: httpx.AsyncClient | None
    circuit: CircuitBreaker = field(default_factory=CircuitBreaker)
    at: str | None = None
    most_bytes: int = MOST_BYTES
    fair_s: float = FAIR_S
    _patience: Patience = field(default_factory=Patience, init=False)

    async def get(self, path: str, answer: TypeAdapter[T], *, until: Until, query: Query = ()) -> T:
        """Ask for something.

        Args:
            path: What is asked for.
            answer: What a usable answer is.
            until: When the call is given up.
            query: Names and values; a name may be there several times.

        Raises:
            NoAnswerError: There is no usable answer, and why.
        """
        if self.client is None:
            raise NoAnswerError(self.name, "unreachable", "nobody said where it is")
        permit = self.circuit.ask()
        if permit is None:
            raise NoAnswerError(self.name, "circuit-open")
        patience_s, outcome = until.left_s, Outcome.NOTHING
        try:
            found = await self._patience.wait(self._ask(path, query, answer, until), patience_s)
            outcome = Outcome.SUCCESS
        except TimeoutError as error:
            outcome = Outcome.FAILURE if patience_s >= self.fair_s else Outcome.NOTHING
            raise NoAnswerError(self.name, "too-slow") from error
        except NoAnswerError as error:
            outcome = Outcome.SUCCESS if error.reason == "not-found" else Outcome.FAILURE
            raise
        finally:
            self.circuit.report(permit, outcome)
        return found

    async def close(self) -> None:
        """Let calls that were given up come to their end, and close the connections."""
        await self._patience.close()
        if self.client is not None:
            await self.client.aclose()

    async def _ask(self, path: str, query: Query, answer: TypeAdapter[T], until: Until) -> T:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a small answer could unpack to a large one
            DEADLINE_HEADER: str(max(1, int(until.left_s * 1000))),
            **correlation_headers(),
        }
        try:
            status, body = await self._read(path, query, headers, until.left_s)
        except httpx.TimeoutException as error:
            raise TimeoutError from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise NoAnswerError(self.name, "garbage", "it does not speak HTTP") from error
        except (httpx.HTTPError, OSError) as error:
            raise NoAnswerError(self.name, "unreachable", type(error).__name__) from error
        except NoAnswerError:
            raise
        except Exception as error:  # whatever it is, it must not cost the other parts
            _log.exception("The service '%s' can't be read", self.name)
            raise NoAnswerError(self.name, "garbage", type(error).__name__) from error
        self._expect(status)
        try:
            return answer.validate_json(body)
        except ValidationError as error:
            raise NoAnswerError(self.name, "garbage", f"{error.error_count()} error(s) in it") from error

    async def _read(
        self, path: str, query: Query, headers: Mapping[str, str], patience_s: float
    ) -> tuple[int, bytes]:
        assert self.client is not None  # noqa: S101 - `get` has seen to it
        body = bytearray()
        async with self.client.stream(
            "GET", path, params=list(query), headers=headers, timeout=patience_s
        ) as response:
            if response.status_code == HTTPStatus.OK:
                if "content-encoding" in response.headers:
                    raise NoAnswerError(self.name, "garbage", "it is packed, which nobody asked for")
                async for some in response.aiter_bytes():
                    body += some
                    if len(body) > self.most_bytes:
                        raise NoAnswerError(self.name, "garbage", f"more than {self.most_bytes} bytes")
        return response.status_code, bytes(body)

    def _expect(self, status: int) -> None:
        """Only 200 is an answer. Redirects are not followed: they would lead wherever a broken service points."""
        if status == HTTPStatus.OK:
            return
        if status == HTTPStatus.NOT_FOUND:
            raise NoAnswerError(self.name, "not-found")
        if status == HTTPStatus.GATEWAY_TIMEOUT:
            raise TimeoutError
        reason: Reason = "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "garbage"
        raise NoAnswerError(self.name, reason, f"status {status}")
