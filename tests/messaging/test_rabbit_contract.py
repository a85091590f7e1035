"""The bus on RabbitMQ keeps the contract of every bus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from broker_contract import BrokerContract
from bus_trials import messages

from lab_support.messaging import BrokerUnavailableError
from lab_support.messaging.broker_bus import token
from lab_support.messaging.rabbit_bus import RabbitBus
from tests.conftest import missing

URL = "amqp://guest:guest@127.0.0.1:5672"


@asynccontextmanager
async def a_channel() -> AsyncIterator[Any]:
    connection = await aio_pika.connect(URL)
    async with connection, connection.channel() as channel:
        yield channel


@pytest.fixture(autouse=True)
async def server() -> None:
    try:
        async with a_channel():
            return
    except Exception as error:
        missing(f"RabbitMQ cannot be used: {error}")


@pytest.mark.rabbitmq
class TestRabbitBus(BrokerContract):
    url, port = URL, 5672
    closed_port_url = "amqp://guest:sesame@127.0.0.1:1"

    def a_broker_bus(self, url: str | None = None, **options: Any) -> RabbitBus:
        return RabbitBus(url or URL, **options)

    async def publish_raw(self, folder: Path, topic: str, body: bytes) -> None:
        async with a_channel() as channel:
            exchange = await channel.get_exchange(f"lab.{token(topic)}")
            await exchange.publish(aio_pika.Message(body), routing_key="")

    async def knows_group(self, topic: str, group: str) -> bool:
        try:
            async with a_channel() as channel:
                queue = await channel.declare_queue(f"lab.{token(topic)}.{token(group)}", passive=True)
        except ChannelNotFoundEntity:
            return False
        return bool(queue.declaration_result.consumer_count)  # it listens after it is bound

    async def clean(self, topic: str, *groups: str) -> None:
        await self.clean_namespace("lab", topic, *groups)

    async def clean_namespace(self, namespace: str, topic: str, *groups: str) -> None:
        async with a_channel() as channel:
            for group in groups or ("stock", "mail"):
                for queue in ("", ".dead"):
                    with suppress(ChannelNotFoundEntity):
                        await channel.queue_delete(f"{namespace}.{token(topic)}.{token(group)}{queue}")
            await channel.exchange_delete(f"{namespace}.{token(topic)}")

    async def test_wrong_password_is_an_unavailable_broker(self, topic: str) -> None:
        """Nobody is let in: the text says so and does not tell the password."""
        async with self.a_broker_bus("amqp://guest:sesame@127.0.0.1:5672") as bus:
            with pytest.raises(BrokerUnavailableError, match="ACCESS_REFUSED") as caught:
                await bus.publish(messages(topic, 1))
        assert "sesame" not in str(caught.value)
