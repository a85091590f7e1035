"""The bus on RabbitMQ, through FastStream: a fanout exchange for each topic, a quorum queue for each group.

A group gets what was published since its queue was first declared, which `running` does.

Section:
    13.5, "The same saga over a real broker"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from aio_pika import DeliveryMode, IncomingMessage, RobustConnection
from aio_pika import Message as Packet
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import AMQPError, DeliveryError
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.message import RabbitMessage

from lab_support.messaging.broker_bus import MOST_CRASHES, BrokerBus, Letter, goodbye, one_line, token
from lab_support.messaging.bus import DeadLetter, Listener

_REASON = "x-lab-reason"
_CONNECT_S = 3.0


class RabbitBus(BrokerBus):
    """A bus on RabbitMQ: persistent messages, publisher confirms, one active consumer for each group.

    Section:
        13.5, "The same saga over a real broker"
    """

    away: ClassVar[tuple[type[Exception], ...]] = (AMQPError, OSError, RuntimeError, TimeoutError)
    _publisher: RabbitBroker | None = None

    async def dead_letters(self, topic: str, group: str) -> list[DeadLetter]:
        """List what a group gave up, oldest first; the messages stay where they are."""
        found: list[DeadLetter] = []
        async with self._dead_queue(topic, group) as queue:
            while (packet := await queue.get(fail=False)) is not None:
                found.append(DeadLetter(topic, group, packet.body.decode(errors="replace"), _reason(packet)))
        return found  # closing the channel puts them back

    async def retry_dead_letters(self, topic: str, group: str) -> int:
        """Put a group's dead letters into its queue again, and return how many they are."""
        number = 0
        async with self._dead_queue(topic, group) as queue:
            while (packet := await queue.get(fail=False)) is not None:
                again = Packet(
                    packet.body, delivery_mode=DeliveryMode.PERSISTENT, message_id=packet.message_id
                )
                await queue.channel.default_exchange.publish(
                    again, routing_key=self._queue_name(topic, group)
                )
                await packet.ack()
                number += 1
        return number

    async def _call(self) -> RabbitBroker:
        if self._publisher is None:
            self._publisher = self._broker()
            await _connect(self._publisher)
        return self._publisher

    async def _send(self, letters: Sequence[Letter]) -> None:
        broker = await self._call()
        exchanges = {topic: self._exchange(topic) for topic, _, _ in letters}
        for exchange in exchanges.values():
            await broker.declare_exchange(exchange)
        confirmations = await asyncio.gather(
            *[
                broker.publish(
                    body,
                    exchange=exchanges[topic],
                    persist=True,
                    mandatory=False,  # a topic that nobody listens to is no error
                    message_id=str(event.event_id),
                    content_type="application/json",
                    timeout=self.confirm_s,
                )
                for topic, event, body in letters
            ],
            return_exceptions=True,
        )
        for outcome in confirmations:
            if isinstance(outcome, DeliveryError):
                raise ValueError(f"RabbitMQ refused a message: {outcome}") from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def _hang_up(self) -> None:
        broker, self._publisher = self._publisher, None
        if broker is not None:
            await goodbye(broker.stop)

    @asynccontextmanager
    async def _listening(self, lost: asyncio.Event) -> AsyncIterator[None]:
        broker = self._broker(on_close=[lambda *_: lost.set()])
        try:
            async with asyncio.timeout(self.confirm_s + _CONNECT_S):
                await _connect(broker)
                for listener in self._listeners:
                    await broker.declare_queue(
                        RabbitQueue(self._dead_queue_name(listener.topic, listener.group), durable=True)
                    )
                    self._add(broker, listener, lost)
                await broker.start()
            yield
        finally:
            await self._stop_work()
            await goodbye(broker.stop)

    def _add(self, broker: RabbitBroker, listener: Listener, lost: asyncio.Event) -> None:
        subscribe = broker.subscriber(
            self._queue(listener.topic, listener.group),
            self._exchange(listener.topic),
            channel=Channel(prefetch_count=1),
            ack_policy=AckPolicy.MANUAL,
            decoder=_as_it_is,
        )

        async def consume(message: RabbitMessage) -> None:
            async with self._working(lost):
                reason = await self.hand_over(listener, message.body)
                if reason is not None:
                    await broker.publish(
                        message.body,
                        queue=self._dead_queue_name(listener.topic, listener.group),
                        headers={_REASON: reason},
                        persist=True,
                        message_id=message.message_id,
                        timeout=self.confirm_s,
                    )
                await message.ack()

        subscribe(consume)

    @asynccontextmanager
    async def _dead_queue(self, topic: str, group: str) -> AsyncIterator[AbstractQueue]:
        broker = self._broker()
        try:
            connection = await _connect(broker)
            async with connection.channel() as channel:
                name = self._dead_queue_name(topic, group)
                yield await channel.declare_queue(name, durable=True)
        except (OSError, TimeoutError) as error:
            raise self._unavailable(error) from error
        finally:
            await goodbye(broker.stop)

    def _queue_name(self, topic: str, group: str) -> str:
        return f"{self.namespace}.{token(topic)}.{token(group)}"

    def _dead_queue_name(self, topic: str, group: str) -> str:
        return f"{self._queue_name(topic, group)}.dead"

    def _exchange(self, topic: str) -> RabbitExchange:
        return RabbitExchange(f"{self.namespace}.{token(topic)}", type=ExchangeType.FANOUT, durable=True)

    def _queue(self, topic: str, group: str) -> RabbitQueue:
        return RabbitQueue(
            self._queue_name(topic, group),
            queue_type=QueueType.QUORUM,
            durable=True,
            arguments={
                "x-single-active-consumer": True,
                "x-delivery-limit": MOST_CRASHES,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self._dead_queue_name(topic, group),
            },
        )

    def _broker(self, **more: Any) -> RabbitBroker:
        return RabbitBroker(
            self.url, timeout=_CONNECT_S, logger=None, apply_types=False, graceful_timeout=None, **more
        )


async def _connect(broker: RabbitBroker) -> RobustConnection:
    """Connect, and end the attempt before a cancellation goes on: one that is cancelled would try again for ever."""
    connecting = asyncio.ensure_future(broker.connect())
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.gather(connecting, return_exceptions=True)  # at most _CONNECT_S
        raise


async def _as_it_is(message: Any) -> Any:
    return message


def _reason(packet: AbstractIncomingMessage | IncomingMessage) -> str:
    told = packet.headers.get(_REASON)
    return (
        one_line(str(told))
        if told
        else f"Its consumer died {MOST_CRASHES} times while it handled the message."
    )
