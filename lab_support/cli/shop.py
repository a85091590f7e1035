"""The verbs about a shop that runs: seed, traffic.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lab_support.cli.telling import errors_in_one_line, fail, progress_bar, say_aside, say_json

if TYPE_CHECKING:
    from lab_support.services.buying import Buyer
    from lab_support.services.traffic import TrafficReport

MOST_TOLD = 5
"""Orders without an end that are told one by one."""

At = Annotated[str, typer.Option(metavar="URL", help="Address of a shop that runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Patience = Annotated[float, typer.Option(help="Longest wait for one order, in seconds.", min=0.1, max=3600)]


def seed(
    orders: Annotated[int, typer.Option(help="Orders that there shall be.", min=0, max=1_000_000)] = 100,
    at: At = "http://127.0.0.1:8000",
    seed: Annotated[int, typer.Option(help="Decides who orders what.", min=0)] = 1,
    patience: Patience = 60.0,
    as_json: AsJson = False,
) -> None:
    """Fill a running shop with buyers, stock and orders; the same seed makes the same, and never twice."""
    with errors_in_one_line():
        import asyncio
        from dataclasses import asdict

        from lab_support.services.buying import ShopError
        from lab_support.services.seeding import seed_shop

        async def fill() -> None:
            async with _Asking(at, patience) as buyer:
                with progress_bar("Orders", orders) as tell:
                    done = await seed_shop(buyer, orders=orders, seed=seed, tell=tell)
            if as_json:
                say_json(asdict(done))
                return
            typer.echo(
                f"{done.customers} customer(s) and {done.placed} order(s) made, stock of {done.products} product(s) "
                f"raised; {done.found} order(s) were there."
            )
            _say_states(done.states)

        try:
            asyncio.run(fill())
        except ShopError as error:
            fail(str(error))


def traffic(
    orders: Annotated[
        int | None,
        typer.Option(help="Orders to place; 100 when no time is given.", min=1, show_default=False),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Place orders for so long.", min=0.1, show_default=False)
    ] = None,
    at: At = "http://127.0.0.1:8000",
    concurrency: Annotated[int, typer.Option(help="Buyers at once.", min=1, max=500)] = 8,
    rate: Annotated[
        float | None, typer.Option(help="At most so many orders in a second.", min=0.01, show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides who orders what.", min=0)] = 1,
    patience: Patience = 60.0,
    as_json: AsJson = False,
) -> None:
    """Order from a running shop, wait for the end of every order, and tell what became of them.

    The exit status is 0 when every order has ended. Some are meant to fail: that is an end too.
    """
    with errors_in_one_line():
        import asyncio

        from lab_support.services.buying import ShopError
        from lab_support.services.traffic import TrafficPlan, drive

        plan = TrafficPlan(
            orders=100 if orders is None and seconds is None else orders,
            seconds=seconds,
            concurrency=concurrency,
            rate=rate,
            seed=seed,
        )

        async def run() -> TrafficReport:
            async with _Asking(at, patience) as buyer:
                with _live(plan.orders) as tell:
                    return await drive(buyer, plan, tell)

        try:
            report = asyncio.run(run())
        except ShopError as error:
            fail(str(error))
        if as_json:
            say_json(report.as_dict())
        else:
            _tell(report)
        if not report.ok:
            raise typer.Exit(1)


class _Asking:
    """A buyer with a client that is closed at the end."""

    def __init__(self, at: str, patience_s: float) -> None:
        import httpx

        from lab_support.services.buying import Buyer

        try:
            limits = httpx.Limits(max_connections=600, max_keepalive_connections=100, keepalive_expiry=2.0)
            self._client = httpx.AsyncClient(base_url=at, trust_env=False, timeout=30.0, limits=limits)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            fail(f"{at!r} is no address: {error}. Give one such as http://127.0.0.1:8000.")
        self._buyer = Buyer(client=self._client, patience_s=patience_s)

    async def __aenter__(self) -> Buyer:
        return self._buyer

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


@contextmanager
def _live(orders: int | None) -> Iterator[Callable[[TrafficReport], None]]:
    """Show a bar with the states so far, where a person is looking."""
    if not sys.stderr.isatty():
        yield lambda _report: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Orders"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.fields[states]}"), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=orders, states="")

        def tell(report: TrafficReport) -> None:
            bar.update(task, completed=report.orders, states=_states(report.states))

        yield tell


def _tell(report: TrafficReport) -> None:
    from lab_support.services.traffic import percentiles

    rate = report.orders / report.seconds if report.seconds else 0.0
    typer.echo(f"{report.orders} order(s) in {report.seconds:.1f} s: {rate:.1f} in a second.")
    _say_states(report.states)
    for what, values in (("taken", report.accepted_s), ("ended", report.ended_s)):
        if values:
            told = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in percentiles(values).items())
            typer.echo(f"  {what} after: {told}")
    for each in report.unended[:MOST_TOLD]:
        say_aside(each)
    if report.unended:
        say_aside(f"{len(report.unended)} order(s) have no end.")


def _say_states(states: dict[str, int]) -> None:
    if states:
        typer.echo(f"  {_states(states)}")


def _states(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(states.items()))


VERBS = (
    ("seed", "lab seed --orders 500", seed),
    ("traffic", "lab traffic --seconds 30 --rate 20", traffic),
)
