"""What must hold after turns of a relay: no row lies, nothing is lost, and every aggregate kept its order.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

from collections.abc import Sequence

from lab_support.exercises.s13_05.outbox_rows import (
    Published,
    Row,
    ids_of,
    not_as_stored,
    order_kept,
    outbox_now,
)
from lab_support.exercises.story import Story


async def expect_true_marks(story: Story, log: Published, told: str) -> list[Row]:
    """Expect no row to say that it is published when it is not; return the outbox."""
    rows, out = await outbox_now(story), ids_of(log)
    marked = [row for row in rows if row["published_at"] and str(row["id"]) not in out]
    story.saw(marked_for_nothing=(story.seen.marked_for_nothing or 0) + len(marked))
    story.expect(not marked, f"{told}, and rows say that they are published that the bus never got.",
                 expected="a mark for what the bus has", observed=f"{len(marked)} marked for nothing")  # fmt: skip
    return rows


async def expect_all_out(story: Story, rows: Sequence[Row], log: Published, told: str) -> None:
    """Expect every one of the rows on the bus, as it was, in the order of its aggregate, and marked."""
    now = await expect_true_marks(story, [*log, *seen_on_bus(story)], told)
    got = ids_of(log)
    missing = [row for row in rows if str(row["id"]) not in got]
    story.expect(not missing, f"{told}, and events are lost.",
                 expected=f"{len(rows)} events on the bus", observed=f"{len(missing)} missing")  # fmt: skip
    story.expect(order_kept(rows, log), f"{told}, and the events of one aggregate are out of order.",
                 observed=[(one["aggregate_id"], one["type"]) for one in log])  # fmt: skip
    story.equal(not_as_stored(rows, log), [], f"{told}, and messages are not what their rows hold.")
    marked = {row["id"] for row in now if row["published_at"]}
    left = [row["seq"] for row in rows if row["id"] not in marked]
    story.equal(left, [], f"{told}, and rows that the bus has are not marked.")


def seen_on_bus(story: Story) -> Published:
    """What earlier parts of this story saw on the bus."""
    out: Published = story.seen.out or []
    return out


def remember(story: Story, log: Published) -> None:
    """Add to what this story has seen on the bus."""
    story.saw(out=[*seen_on_bus(story), *({"event_id": one["event_id"]} for one in log)])
