"""The bus on NATS JetStream, through FastStream: a stream for each topic, a durable pull consumer for each group.

A new group begins at the beginning of the stream. The server drops a repeated event by its id for two minutes.

Section:
    13.5, "The same saga over a real broker"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import uuid4

import nats.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsMessage
from nats.js import JetStreamContext
from nats.js.api import AckPolicy as Acknowledge
from nats.js.api import ConsumerConfig, RawStreamMsg
from nats.js.errors import BadRequestError, NotFoundError

from lab_support.messaging.broker_bus import MOST_CRASHES, BrokerBus, Letter, goodbye, token
from lab_support.messaging.bus import DeadLetter, Listener
from lab_support.messaging.nats_names import Names, address_of

_ID, _REASON = "Nats-Msg-Id", "Lab-Reason"
_FOR_ALL = "event"
_CONNECT_S = 3
_LOOK_S = 5.0


class NatsBus(BrokerBus):
    """A bus on JetStream: acknowledged publishing, one message of a group at a time.

    Args:
        url: The server's.
        ack_wait_s: How long after a consumer's death its message is delivered to another one, in seconds.
        more: As for every broker.

    Section:
        13.5, "The same saga over a real broker"
    """

    away: ClassVar[tuple[type[Exception], ...]] = (nats.errors.Error, OSError, TimeoutError)
    _publisher: NatsBroker | None = None

    def __init__(self, url: str, *, ack_wait_s: float = 15.0, **more: Any) -> None:
        super().__init__(url, **more)
        self.ack_wait_s = ack_wait_s
        self._names, self._declared = Names(self.namespace), set[str]()

    async def dead_letters(self, topic: str, group: str) -> list[DeadLetter]:
        """List what a group gave up, oldest first."""
        async with self._jetstream() as jetstream:
            found = await _messages(
                jetstream, self._names.dead_stream_of(topic), self._names.dead_subject_of(topic, group)
            )
        return [
            DeadLetter(topic, group, (one.data or b"").decode(errors="replace"), (one.headers or {})[_REASON])
            for one in found
        ]

    async def retry_dead_letters(self, topic: str, group: str) -> int:
        """Have a group's dead letters delivered to it again, and return how many they are."""
        async with self._jetstream() as jetstream:
            found = await _messages(
                jetstream, self._names.dead_stream_of(topic), self._names.dead_subject_of(topic, group)
            )
            for one in found:
                again = {_ID: f"retry-{one.seq}-{uuid4()}"}
                await jetstream.publish(
                    self._names.subject_of(topic, address_of(group)), one.data or b"", headers=again
                )
                await jetstream.delete_msg(self._names.dead_stream_of(topic), one.seq or 0)
        return len(found)

    async def _call(self) -> NatsBroker:
        if self._publisher is None:
            self._publisher = self._broker()
            await self._publisher.connect()
        return self._publisher

    async def _send(self, letters: Sequence[Letter]) -> None:
        broker = await self._call()
        for topic in {topic for topic, _, _ in letters} - self._declared:
            await self._declare((await broker.connect()).jetstream(), topic)
            self._declared.add(topic)
        confirmations = await asyncio.gather(
            *[
                broker.publish(
                    body,
                    self._names.subject_of(topic, _FOR_ALL),
                    headers={_ID: str(event.event_id)},
                    stream=self._names.stream_of(topic),
                    timeout=self.confirm_s,
                )
                for topic, event, body in letters
            ],
            return_exceptions=True,
        )
        for outcome in confirmations:
            if isinstance(outcome, BadRequestError):
                raise ValueError(f"NATS refused a message: {outcome}") from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def _hang_up(self) -> None:
        self._declared.clear()
        broker, self._publisher = self._publisher, None
        if broker is not None:
            await goodbye(broker.stop)

    @asynccontextmanager
    async def _listening(self, lost: asyncio.Event) -> AsyncIterator[None]:
        async def on_loss() -> None:
            lost.set()

        broker = self._broker(disconnected_cb=on_loss)
        client = None
        try:
            async with asyncio.timeout(self.confirm_s + _CONNECT_S):
                client = await broker.connect()
                # FastStream's pull loop spins on a connection that closes by itself, so this one never does.
                client.options |= {"allow_reconnect": True, "max_reconnect_attempts": -1}
                jetstream = client.jetstream()
                for listener in self._listeners:
                    await self._declare(jetstream, listener.topic)
                    await jetstream.add_consumer(
                        self._names.stream_of(listener.topic), self._consumer_of(listener)
                    )
                    self._add(broker, listener, lost)
                await broker.start()
            yield
        finally:
            await self._stop_work()
            await goodbye(broker.stop)
            if client is not None:
                await goodbye(client.close)

    def _add(self, broker: NatsBroker, listener: Listener, lost: asyncio.Event) -> None:
        subscribe = broker.subscriber(
            self._names.subject_of(listener.topic, ">"),
            durable=token(listener.group),
            stream=JStream(self._names.stream_of(listener.topic), declare=False),
            pull_sub=PullSub(batch_size=1, timeout=_LOOK_S),
            ack_policy=AckPolicy.MANUAL,
            decoder=_as_it_is,
        )
        addressees = {
            self._names.subject_of(listener.topic, _FOR_ALL),
            self._names.subject_of(listener.topic, address_of(listener.group)),
        }

        async def consume(message: NatsMessage) -> None:
            async with self._working(lost):
                try:
                    if message.raw_message.subject in addressees:
                        await self._deal_with(broker, listener, message)
                except (
                    asyncio.CancelledError
                ):  # an orderly stop: others need not wait for the death to be noticed
                    await message.nack()
                    raise
                await message.ack()

        subscribe(consume)

    async def _deal_with(self, broker: NatsBroker, listener: Listener, message: NatsMessage) -> None:
        reason: str | None = f"Its consumer died {MOST_CRASHES} times while it handled the message."
        if message.raw_message.metadata.num_delivered <= MOST_CRASHES:
            alive = asyncio.create_task(self._keep_alive(message))
            try:
                reason = await self.hand_over(listener, message.body)
            finally:
                alive.cancel()
        if reason is not None:
            await broker.publish(
                message.body,
                self._names.dead_subject_of(listener.topic, listener.group),
                headers={_REASON: reason},
                stream=self._names.dead_stream_of(listener.topic),
                timeout=self.confirm_s,
            )

    async def _keep_alive(self, message: NatsMessage) -> None:
        while True:
            await asyncio.sleep(self.ack_wait_s / 3)
            await message.in_progress()

    def _consumer_of(self, listener: Listener) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=token(listener.group),
            filter_subject=self._names.subject_of(listener.topic, ">"),
            ack_policy=Acknowledge.EXPLICIT,
            ack_wait=self.ack_wait_s,
            max_ack_pending=1,
        )

    @asynccontextmanager
    async def _jetstream(self) -> AsyncIterator[JetStreamContext]:
        broker = self._broker()
        try:
            yield (await broker.connect()).jetstream()
        except self.away as error:
            raise self._unavailable(error) from error
        finally:
            await goodbye(broker.stop)

    async def _declare(self, jetstream: JetStreamContext, topic: str) -> None:
        names = self._names
        await jetstream.add_stream(name=names.stream_of(topic), subjects=[names.subject_of(topic, ">")])
        await jetstream.add_stream(
            name=names.dead_stream_of(topic), subjects=[names.dead_subject_of(topic, ">")]
        )

    def _broker(self, **more: Any) -> NatsBroker:
        soon = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.1}
        settings = {**soon, "connect_timeout": _CONNECT_S, "graceful_timeout": None, **more}
        return NatsBroker(self.url, logger=None, apply_types=False, **settings)


async def _messages(jetstream: JetStreamContext, stream: str, subject: str) -> list[RawStreamMsg]:
    found: list[RawStreamMsg] = []
    try:
        while True:
            after = (found[-1].seq or 0) if found else 0
            found.append(await jetstream.get_msg(stream, seq=after + 1, subject=subject, next=True))
    except NotFoundError:
        return found


async def _as_it_is(message: Any) -> Any:
    return message
