"""Hundreds of lives of the shop, each with its own misfortunes; `make torture` lives ten thousand."""

from dataclasses import replace
from typing import Any

import pytest

from lab_support.messaging import Consumer
from lab_support.messaging.inbox import receive, receive_all
from lab_support.services.customers import credit
from lab_support.services.inventory import reserving
from lab_support.services.orders import states
from lab_support.services.orders.repository import OrderRepository
from lab_support.services.payments.simulated_provider import SimulatedProvider
from tests.proof.simulation import BrokenInvariantError, stage

CHUNK = 25
MANY = 175
TORTURE, TORTURE_CHUNK = 10_000, 175


@pytest.mark.parametrize("first", range(0, MANY, CHUNK))
async def test_every_life_ends_with_its_books_in_order(first: int) -> None:
    await _live(range(first, first + CHUNK))


@pytest.mark.torture
@pytest.mark.parametrize("first", range(MANY, TORTURE, TORTURE_CHUNK))
async def test_thousands_of_lives_end_with_their_books_in_order(first: int) -> None:
    await _live(range(first, first + TORTURE_CHUNK))


async def test_a_seed_is_replayed_to_the_letter() -> None:
    with stage() as played:
        lives = [await played.play(seed) for seed in (11, 12, 11)]

    assert lives[0].story == lives[2].story != lives[1].story


async def test_a_failing_seed_tells_how_to_replay_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr("lab_support.services.customers.handlers.send_letter", forget)
    seed, error = await _first_broken(range(40))

    assert f"python -m tests.proof.simulation --seed {seed}" in str(error)
    assert "0 letters" in str(error)


def _no_inbox(patch: pytest.MonkeyPatch) -> None:
    """Every delivery has its effect, the second one too."""

    async def always(*arguments: Any) -> bool:
        await receive(*arguments)
        return True

    patch.setattr("lab_support.messaging.consumer.receive", always)


def _no_inbox_for_batches(patch: pytest.MonkeyPatch) -> None:
    """Events that come together have their effects, known ones too."""

    async def always(*arguments: Any) -> bool:
        await receive_all(*arguments)
        return True

    patch.setattr("lab_support.messaging.consumer.receive_all", always)


def _no_redelivery(patch: pytest.MonkeyPatch) -> None:
    """A message whose handler raised is taken for handled."""

    async def careless(self: Consumer, event: Any) -> None:
        if self.only is None or event.type in self.only:
            try:
                await self._deal_with(event)
            except Exception:
                return

    patch.setattr(Consumer, "__call__", careless)


def _no_stock_released(patch: pytest.MonkeyPatch) -> None:
    """Pieces are said to be put back, and are not."""

    async def nothing(*_: Any) -> None: ...

    patch.setattr(reserving, "_put_back", nothing)


def _no_credit_released(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None: ...

    patch.setattr(credit, "_give_back", nothing)


def _ends_twice(patch: pytest.MonkeyPatch) -> None:
    """An end overwrites the end that was there."""
    end = OrderRepository.end

    async def overwrite(self: Any, order_id: Any, ending: Any, **only: Any) -> bool:
        wider = replace(ending, of=(*states.WAITING, *states.GOOD, states.FAILED_DEADLINE))
        return await end(self, order_id, wider, **only)

    patch.setattr(OrderRepository, "end", overwrite)


def _no_refund(patch: pytest.MonkeyPatch) -> None:
    """The provider keeps the money."""

    async def keeps(self: Any, key: str) -> Any:
        return await self.find(key)

    patch.setattr(SimulatedProvider, "refund", keeps)


BUGS = [
    (_no_inbox, 0),
    (_no_inbox_for_batches, 0),
    (_no_redelivery, 0),
    (_no_stock_released, 19),
    (_no_credit_released, 0),
    (_ends_twice, 7),
    (_no_refund, 0),
]
"""Each with the first seed to be tried: one that shows it soon."""


@pytest.mark.parametrize(("bug", "first"), BUGS, ids=[one.__name__.strip("_") for one, _ in BUGS])
async def test_the_simulation_finds_a_planted_bug(
    bug: Any, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)

    seed, error = await _first_broken(range(first, first + 100))

    assert f"--seed {seed}" in str(error)


async def _live(seeds: range) -> None:
    with stage() as played:
        for seed in seeds:
            await played.play(seed)


async def _first_broken(seeds: range) -> tuple[int, BrokenInvariantError]:
    with stage() as played:
        for seed in seeds:
            try:
                await played.play(seed)
            except BrokenInvariantError as error:
                return seed, error
    raise AssertionError(f"None of {len(seeds)} lives showed it.")
