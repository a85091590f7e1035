"""The whole shop in processes of its own, on three kinds of database and a broker, while services are killed."""

import sys
from pathlib import Path

import pytest

from tests.proof.split_scenario import orders_while_services_are_killed
from tests.services.own_brokers import own_nats  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
    pytest.mark.postgres,
    pytest.mark.mariadb,
    pytest.mark.nats,
]


@pytest.mark.parametrize(
    ("orders", "killed"),
    [
        pytest.param(24, ("inventory",), marks=[pytest.mark.slow, pytest.mark.timeout(400)]),
        pytest.param(
            1000, ("inventory", "orders", "customers"), marks=[pytest.mark.torture, pytest.mark.timeout(0)]
        ),
    ],
)
async def test_every_order_ends_and_the_books_are_right_although_services_were_killed(
    orders: int,
    killed: tuple[str, ...],
    own_nats: str,  # noqa: F811 - the fixture
    postgresql_url: str,
    mariadb_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Money, credit and stock are conserved, each effect is there once, and each killed service came back."""
    monkeypatch.setenv("LAB_POSTGRES_URL", postgresql_url)
    folder = tmp_path / "data"
    folder.mkdir()

    found = await orders_while_services_are_killed(orders, own_nats, folder, killed)

    assert (found["violations"], found["unended"]) == ([], [])
    assert found["orders"] == orders
    assert found["came_back"] == dict.fromkeys(killed, True)
