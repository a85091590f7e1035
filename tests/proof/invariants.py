"""What must hold after every run, whatever went wrong in it: each function lists what does not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row

from lab_support.messaging import Consumer
from lab_support.services.vocabulary import REFUND_PAYMENT, RELEASE_CREDIT, RELEASE_STOCK
from tests.proof.snapshot import Snapshot, kept, snapshot
from tests.proof.world import World

WAITING: Final = ("PENDING", "PENDING_PAYMENT")
GOOD: Final = ("APPROVED", "CONFIRMED")
ENDS: Final = ("OrderApproved", "OrderConfirmed", "OrderFailed")
HELD: Final = ("RESERVED", "SETTLED")
"""A person who settles a compensation makes it good by hand: the books keep what they had."""


class Books:
    """What there was at the beginning, and at which end each order was seen first."""

    def __init__(self, at_first: Snapshot) -> None:
        self.credit = {one.id: one.credit for one in at_first.customers}
        self.stock = {one.sku: one.available for one in at_first.stock}
        self._ends: dict[Any, str] = {}

    @classmethod
    async def of(cls, world: World) -> "Books":
        return cls(await snapshot(world))

    @classmethod
    def like(cls, books: "Books") -> "Books":
        """Begin again from what there was at the beginning."""
        copy = cls.__new__(cls)
        copy.credit, copy.stock, copy._ends = books.credit, books.stock, {}
        return copy

    def watch(self, statuses: Mapping[Any, str]) -> list[str]:
        """Note the statuses of this moment; list the ends that have changed, which no end may."""
        changed = []
        for order_id, status in statuses.items():
            if status not in WAITING and self._ends.setdefault(order_id, status) != status:
                changed.append(f"{order_id} ended as {self._ends[order_id]} and is {status} now")
        return changed

    async def violations(self, world: World, *, parked: int = 0) -> list[str]:
        """List what does not hold at quiescence; `parked` inbox rows were put there on purpose."""
        now = await snapshot(world)
        found = self.watch({one.id: one.status for one in now.orders})
        found += [*self._credit(now), *self._stock(now), *_money(now)]
        for order in now.orders:
            found += [f"{order.id} ({order.status}): {what}" for what in _order(now, order)]
        return [*found, *_messages(now, parked), *_unheard(now, world)]

    def _credit(self, now: Snapshot) -> Iterator[str]:
        for customer in now.customers:
            mine = [one for one in now.credit.values() if one.customer_id == customer.id]
            held = sum((one.amount for one in mine if one.status in HELD), Decimal())
            if customer.credit + held != self.credit[customer.id] or customer.credit < 0:
                yield f"credit of {customer.id}: {customer.credit} + {held} of {self.credit[customer.id]}"

    def _stock(self, now: Snapshot) -> Iterator[str]:
        held: Counter[str] = Counter()
        for order_id, reservation in now.pieces.items():
            if reservation.status in HELD:
                held.update(now.lines.get(order_id, {}))
        for one in now.stock:
            if one.available + held[one.sku] != self.stock[one.sku] or one.available < 0:
                yield f"stock of {one.sku}: {one.available} + {held[one.sku]} of {self.stock[one.sku]}"


def _money(now: Snapshot) -> Iterator[str]:
    due = Decimal()
    for order in now.orders:
        entry = now.ledger.get(str(order.id))
        if order.status == "CONFIRMED":
            due += order.total
        elif entry is not None and now.left_to_a_person(order.id, REFUND_PAYMENT):
            due += kept(entry)
    balance = sum(map(kept, now.ledger.values()), Decimal())
    if balance != due:
        yield f"money: the provider keeps {balance}, the orders account for {due}"
    if strangers := now.ledger.keys() - {str(one.id) for one in now.orders}:
        yield f"money: charged for no order: {strangers}"


def _order(now: Snapshot, order: Row[Any]) -> Iterator[str]:
    yield from _reviews(now, order)
    if order.status in WAITING:
        if not any(one.order_id == order.id and one.resolved_at is None for one in now.reviews):
            yield "stuck: it waits, and nobody was asked to review it"
    elif order.status in GOOD:
        yield from _good(now, order)
    else:
        yield from _failed(now, order)
    told = Counter(one.type for one in now.outboxes["orders"] if one.aggregateid == str(order.id))
    if told["OrderCreated"] != 1 or sum(told[end] for end in ENDS) != (order.status not in WAITING):
        yield f"told {dict(told)}"


def _good(now: Snapshot, order: Row[Any]) -> Iterator[str]:
    credit, pieces, entry = now.credit.get(order.id), now.pieces.get(order.id), now.ledger.get(str(order.id))
    if pieces is None or pieces.status != "RESERVED":
        yield f"it stands without its pieces: {pieces}"
    if now.letters[order.id] != 1:
        yield f"{now.letters[order.id]} letters"
    if order.pay_by == "credit":
        if credit is None or (credit.status, credit.amount) != ("RESERVED", order.total):
            yield f"it stands without its credit: {credit}"
        if credit is not None and credit.confirmed_at is None:
            yield "its credit is not confirmed"
    elif entry is None or kept(entry) != order.total:
        yield f"it stands, and the provider keeps {entry}"
    elif (payment := now.payments.get(order.id)) is None or payment.status != "CHARGED":
        yield f"it stands with the payment {payment}"


def _failed(now: Snapshot, order: Row[Any]) -> Iterator[str]:
    credit, pieces, entry = now.credit.get(order.id), now.pieces.get(order.id), now.ledger.get(str(order.id))
    payment = now.payments.get(order.id)
    if now.letters[order.id]:
        yield "a letter was sent"
    if credit is not None and credit.status == "RESERVED" and not now.in_review(order.id, RELEASE_CREDIT):
        yield "its credit is still reserved"
    if pieces is not None and pieces.status == "RESERVED" and not now.in_review(order.id, RELEASE_STOCK):
        yield "its pieces are still reserved"
    if not now.left_to_a_person(order.id, REFUND_PAYMENT):
        if entry is not None and kept(entry):
            yield f"the provider keeps {kept(entry)}"
        if payment is not None and payment.status in ("REQUESTED", "CHARGED", "UNCERTAIN"):
            yield f"its payment is {payment.status}"


def _reviews(now: Snapshot, order: Row[Any]) -> Iterator[str]:
    open_ = Counter(one.action for one in now.reviews if one.order_id == order.id and one.resolved_at is None)
    for (order_id, action), task in now.tasks.items():
        if order_id == order.id and task.status == "OPEN":
            yield f"{action} is still open"
        if order_id == order.id and task.status == "REQUIRES_REVIEW" and open_[action] != 1:
            yield f"{action} needs a review, and the queue has {open_[action]}"
    saga = next((one for one in now.sagas if one.saga_id == order.saga_id), None)
    if saga is not None and saga.status in ("RUNNING", "COMPENSATING"):
        yield f"stuck: its saga is {saga.status} at {saga.step}"
    if saga is not None and saga.status == "REQUIRES_REVIEW" and not open_:
        yield "stuck: its saga waits for a review that nobody was asked for"


def _messages(now: Snapshot, parked: int) -> Iterator[str]:
    for name, rows in now.outboxes.items():
        if left := [one.type for one in rows if one.published_at is None]:
            yield f"{name} has not published {left}"
        effects = Counter(
            (one.causation_id, one.type, one.payload.get("order_id"), one.payload.get("action"))
            for one in map(_Told, rows)
            if one.causation_id and one.type != "CompensationFailed"
        )
        for effect, times in effects.items():
            if times > 1:
                yield f"{name}: one event had an effect {times} times: {effect}"
    lying = [one.last_error for rows in now.inboxes.values() for one in rows if one.parked_at is not None]
    if len(lying) != parked:
        yield f"{len(lying)} events are parked, not {parked}: {lying}"


class _Told:
    """An outbox row, with the event that was the reason for it."""

    def __init__(self, row: Row[Any]) -> None:
        self.type, self.payload, self.causation_id = row.type, row.payload, row.headers.get("causation_id")


def _unheard(now: Snapshot, world: World) -> Iterator[str]:
    heard = {name: {(one.consumer, one.event_id) for one in rows} for name, rows in now.inboxes.items()}
    for name, part in world.parts.items():
        for listener in part.listeners:
            consumer = listener.handler
            assert isinstance(consumer, Consumer)
            for row in (one for rows in now.outboxes.values() for one in rows if one.topic == listener.topic):
                used = consumer.only is None or row.type in consumer.only
                if used and (consumer.name, row.id) not in heard[name]:
                    yield f"lost: {name} never heard {row.type} of {row.aggregateid}"
