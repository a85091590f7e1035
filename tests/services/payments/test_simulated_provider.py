"""The provider: one effect for each key, whatever it answers, and outcomes that can be ordered or repeated."""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from lab_support.services.payments.provider import (
    CardDeclinedError,
    KeyClosedError,
    ProviderDownError,
    ProviderError,
    ProviderTimeoutError,
    Receipt,
    RefundRefusedError,
)
from lab_support.services.payments.simulated_provider import EVERYBODY, Odds, Outcome, SimulatedProvider
from tests.services.payments.paying import AMOUNT, LIMIT_S, open_provider

NOTHING = Decimal("0.00")


async def test_card_is_charged_once_under_a_key(provider: SimulatedProvider) -> None:
    """The second call gets the first one's receipt, even if it names another amount."""
    first = await provider.charge("k", AMOUNT, card="ada")
    again = await provider.charge("k", Decimal("99.00"), card="ada")

    assert first == again == Receipt("k", AMOUNT, NOTHING)
    assert await provider.balance() == AMOUNT


async def test_simultaneous_charges_of_two_processes_charge_once(
    provider: SimulatedProvider, tmp_path: Path
) -> None:
    """Two providers on one file stand for two processes."""
    async with asyncio.timeout(LIMIT_S), open_provider(tmp_path) as other:
        calls = [one.charge("k", AMOUNT, card="ada") for one in (provider, other) * 5]
        receipts = await asyncio.gather(*calls)

    assert set(receipts) == {Receipt("k", AMOUNT, NOTHING)}
    assert await provider.balance() == AMOUNT


async def test_declined_card_stays_declined(provider: SimulatedProvider) -> None:
    """The same key gets the same answer; another key may succeed."""
    await provider.script("k", Outcome.REFUSE)
    for _ in range(2):
        with pytest.raises(CardDeclinedError):
            await provider.charge("k", AMOUNT, card="ada")
    assert await provider.balance() == NOTHING

    await provider.charge("another", AMOUNT, card="ada")
    assert await provider.balance() == AMOUNT


@pytest.mark.parametrize(
    ("outcome", "error", "charged"),
    [
        (Outcome.TIMEOUT_BEFORE, ProviderTimeoutError, NOTHING),
        (Outcome.TIMEOUT_AFTER, ProviderTimeoutError, AMOUNT),
        (Outcome.DOWN, ProviderDownError, NOTHING),
    ],
    ids=["before", "after", "down"],
)
async def test_unanswered_charge_may_have_charged(
    provider: SimulatedProvider, outcome: Outcome, error: type[ProviderError], charged: Decimal
) -> None:
    """Only a repetition with the same key tells; it charges what was not charged."""
    await provider.script("k", outcome)
    with pytest.raises(error):
        await provider.charge("k", AMOUNT, card="ada")
    assert await provider.balance() == charged

    assert await provider.charge("k", AMOUNT, card="ada") == Receipt("k", AMOUNT, NOTHING)
    assert await provider.balance() == AMOUNT


async def test_refund_gives_back_what_was_charged_once(provider: SimulatedProvider) -> None:
    """It needs no amount, and may be repeated."""
    await provider.charge("k", AMOUNT, card="ada")
    receipts = [await provider.refund("k") for _ in range(3)]

    assert receipts == [Receipt("k", AMOUNT, AMOUNT)] * 3
    assert await provider.find("k") == Receipt("k", AMOUNT, AMOUNT)
    assert await provider.balance() == NOTHING


async def test_refunded_key_charges_nothing_any_more(provider: SimulatedProvider) -> None:
    """A charge that was under way, and arrives after the refund, is refused."""
    assert await provider.refund("never charged") is None
    await provider.charge("charged", AMOUNT, card="ada")
    await provider.refund("charged")

    for key in ("never charged", "charged"):
        with pytest.raises(KeyClosedError):
            await provider.charge(key, AMOUNT, card="ada")
    assert await provider.balance() == NOTHING


@pytest.mark.parametrize(
    ("outcome", "error", "kept"),
    [
        (Outcome.TIMEOUT_BEFORE, ProviderTimeoutError, AMOUNT),
        (Outcome.TIMEOUT_AFTER, ProviderTimeoutError, NOTHING),
        (Outcome.DOWN, ProviderDownError, AMOUNT),
        (Outcome.REFUSE, RefundRefusedError, AMOUNT),
    ],
    ids=["before", "after", "down", "refused"],
)
async def test_unanswered_refund_may_have_refunded(
    provider: SimulatedProvider, outcome: Outcome, error: type[ProviderError], kept: Decimal
) -> None:
    """The repetition gives back the rest, which is nothing when it was done."""
    await provider.charge("k", AMOUNT, card="ada")
    await provider.script("ada", outcome, call="refund")
    with pytest.raises(error):
        await provider.refund("k")
    assert await provider.balance() == kept

    assert await provider.refund("k") == Receipt("k", AMOUNT, AMOUNT)


async def test_script_is_obeyed_by_another_process(provider: SimulatedProvider, tmp_path: Path) -> None:
    """Key, card and everybody can be meant; a lasting outcome stays until it is forgotten."""
    await provider.script("k", Outcome.DOWN)
    await provider.script("grace", Outcome.REFUSE)
    await provider.script(EVERYBODY, Outcome.DOWN, call="find", lasting=True)
    async with open_provider(tmp_path) as other:
        with pytest.raises(ProviderDownError):
            await other.charge("k", AMOUNT, card="ada")
        with pytest.raises(CardDeclinedError):
            await other.charge("another", AMOUNT, card="grace")
        for _ in range(2):
            with pytest.raises(ProviderDownError):
                await other.find("k")
        await other.forget_scripts()
        assert await other.find("k") is None
        assert await other.charge("k", AMOUNT, card="ada") == Receipt("k", AMOUNT, NOTHING)


async def outcomes(folder: Path, seed: int) -> list[str]:
    async with open_provider(folder, seed=seed, odds=Odds(declined=0.3, timeout=0.3, down=0.1)) as provider:
        return [await _outcome(provider, f"key-{n}") for n in range(60)]


async def _outcome(provider: SimulatedProvider, key: str) -> str:
    try:
        await provider.charge(key, AMOUNT, card="ada")
    except ProviderError as error:
        charged = await provider.find(key) is not None
        return f"{type(error).__name__} {charged}"
    return "charged"


async def test_seed_repeats_every_outcome(tmp_path: Path) -> None:
    """The same seed and keys meet the same fate; another seed another one; each kind of fate occurs."""
    folders = [tmp_path / name for name in ("first", "again", "other")]
    for folder in folders:
        folder.mkdir()
    first, again, other = [await outcomes(*one) for one in zip(folders, (7, 7, 8), strict=True)]

    assert first == again != other
    assert Counter(first).keys() == {
        "charged",
        "CardDeclinedError False",
        "ProviderTimeoutError False",
        "ProviderTimeoutError True",
        "ProviderDownError False",
    }


async def test_seeded_provider_answers_in_the_end(tmp_path: Path) -> None:
    """A chance is drawn for each call, so that patience with one key is rewarded."""
    async with open_provider(tmp_path, seed=1, odds=Odds(declined=0, timeout=0.8)) as provider:
        for _ in range(100):
            if await _outcome(provider, "k") == "charged":
                break
        else:
            pytest.fail("100 calls, and no answer")
        assert await provider.balance() == AMOUNT
