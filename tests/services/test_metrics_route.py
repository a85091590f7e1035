"""GET /metrics of the running application: pools, requests and outboxes of every service in it."""

from pathlib import Path

from lab_support.services import running_app
from lab_support.settings import Settings


async def test_metrics_tell_of_pools_requests_and_outboxes(tmp_path: Path) -> None:
    """In Prometheus' text format, with the service as label."""
    async with running_app(Settings(data=tmp_path), only=["orders", "store"]) as client:
        await client.get("/store/products/1")
        answer = await client.get("/metrics")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'lab_pool_limit{service="store"} 15.0' in lines
    assert 'lab_pool_size{service="orders"} 5.0' in lines
    assert 'lab_outbox_parked{service="orders"} 0.0' in lines
    assert any(line.startswith("lab_outbox_pending{") for line in lines)
    assert any('route="/store/products/{product_id}"' in line for line in lines)
