"""Run by tests in a process of its own: orders many times at once, or stands still in the middle of one order.

buying_process.py URL buy COUNT     says "ready", waits for a line, orders COUNT times, tells how many were placed
buying_process.py URL stop PLACE    says "here" after statement PLACE, or around its commit, and waits to be killed
"""

import asyncio
import sys
import time
from itertools import count
from typing import Any

from sqlalchemy import event

from lab_support.database import build_engine, check_connection, session_factory
from lab_support.services.store.errors import ProductOutOfStockError
from lab_support.services.store.ordering import OrderService


async def buy(url: str, times: int) -> None:
    service = OrderService(session_factory(build_engine(url)))
    print("ready", flush=True)
    sys.stdin.readline()
    orders = [service.place_order(1, [(1, 1)]) for _ in range(times)]
    answers = await asyncio.gather(*orders, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ProductOutOfStockError):
            raise answer
    print(sum(not isinstance(answer, BaseException) for answer in answers), flush=True)


async def stop(url: str, place: str) -> None:
    engine = build_engine(url)
    await check_connection(engine)  # the dialect's own questions are asked and not counted
    numbers, commit = count(1), engine.dialect.do_commit

    def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            stand_still(place == str(next(numbers)))

    def around(connection: Any) -> None:
        stand_still(place == "before commit")
        commit(connection)
        stand_still(place == "after commit")

    event.listen(engine.sync_engine, "after_cursor_execute", after)
    engine.dialect.do_commit = around  # type: ignore[method-assign]
    service = OrderService(session_factory(engine))
    await service.place_order(1, [(2, 1), (1, 2)], idempotency_key="the-key-of-the-killed-process")


def stand_still(here: bool) -> None:
    if here:
        print("here", flush=True)
        time.sleep(300)


if __name__ == "__main__":
    _, url, what, argument = sys.argv
    asyncio.run(buy(url, int(argument)) if what == "buy" else stop(url, argument))
