"""Bringing the shop to rest: every turn is taken until nothing moves, and the clock goes on while something waits."""

from collections.abc import Callable
from typing import Any, Final

from lab_support.messaging.outbox import parked_events, retry_parked
from lab_support.services.split import ALL
from tests.proof.world import World

MOMENTS_S: Final = (5.0,) * 60 + (600.0,) * 140
"""How long nothing happens at a time: after a clock that jumped back, what is due is a day away at most."""
MOST_ROUNDS: Final = 500
BATCH: Final = 10


async def become_quiet(world: World, tell: Callable[[str], Any] = lambda _what: None) -> list[str]:
    """Run until nothing is left to do; list what never ended."""
    for moment_s in MOMENTS_S:
        await _exhaust(world)
        left = await world.waiting()
        if not left:
            return []
        tell(f"waiting for {left}")
        await _retry_parked_rows(world)
        world.clock.move(moment_s)
    return [f"stuck: after {sum(MOMENTS_S):.0f} s there are still {left}"]


async def _exhaust(world: World) -> None:
    for _ in range(MOST_ROUNDS):
        if not await _round(world):
            return
    raise AssertionError(f"After {MOST_ROUNDS} rounds at one moment there is still something to do.")


async def _round(world: World) -> bool:
    """Let each part of each service that has work take one turn; tell whether any of them did something."""
    busy = False
    for name, part in world.parts.items():
        needs = await world.needs(name)
        if needs.outbox:
            busy |= bool((await part.relay.turn()).claimed)
        for worker in part.workers if needs.work else ():
            busy |= bool(await worker.turn())
        if needs.any:
            world.touch(name)
    for one in world.subscriptions:
        while outcomes := await world.mail(one, limit=BATCH):
            assert set(outcomes) == {"acknowledged"}, (outcomes, getattr(one, "error", None))
            world.touch(one.group)
            busy = True
    return busy


async def _retry_parked_rows(world: World) -> None:
    """Do what an operator does about a row that was parked because the relay died again and again."""
    for one in ALL:
        async with world.sessions(one.name).begin() as session:
            if rows := await parked_events(session, one.outbox):
                await retry_parked(session, one.outbox, [row.id for row in rows])
