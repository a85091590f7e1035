"""compose.yaml offers the servers that the README names, at versions that stay, to this machine alone."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from lab_support.messaging import open_bus
from lab_support.settings import Settings
from lab_support.workbook.doctor import servers

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVERS: dict[str, dict[str, Any]] = COMPOSE["services"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
URLS = dict(re.findall(r"^export LAB_(\w+_URL)=(\S+)", README, re.MULTILINE))
KEYS = {"image", "environment", "ports", "volumes", "healthcheck", "command", "hostname"}
"""Of the compose specification, what is used here."""

each_server = pytest.mark.parametrize("name", SERVERS)


def published(name: str) -> tuple[str, int]:
    """Give address and port of this machine at which a server is found."""
    [line] = SERVERS[name]["ports"]
    address, port, inside = line.split(":")
    assert port == inside
    return address, int(port)


def test_file_has_the_servers_and_nothing_misspelt() -> None:
    """Compose refuses unknown keys; we have no compose here, so each key is one that it knows."""
    assert set(SERVERS) == {"postgresql", "mariadb", "mongodb", "rabbitmq", "nats"}
    assert set(COMPOSE) == {"name", "services", "volumes"}
    for server in SERVERS.values():
        assert set(server) <= KEYS
        assert set(server["healthcheck"]) == {"test", "interval", "timeout", "retries"}


@each_server
def test_version_is_pinned(name: str) -> None:
    """Today's file starts the same server next year."""
    assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-alpine)?", SERVERS[name]["image"])


@each_server
def test_only_this_machine_reaches_a_server_without_a_password(name: str) -> None:
    """Docker would else open the port to the whole network, past the firewall."""
    assert published(name)[0] == "127.0.0.1"


@each_server
def test_data_outlives_the_container(name: str) -> None:
    """Each server has one volume of its own, which is declared."""
    [volume] = SERVERS[name]["volumes"]
    assert volume.partition(":")[0] in COMPOSE["volumes"]
    assert len(COMPOSE["volumes"]) == len(SERVERS)


@each_server
def test_start_waits_until_the_server_answers(name: str) -> None:
    """`docker compose up --wait` waits for the health check, which asks without a shell."""
    check = SERVERS[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert all(re.fullmatch(r"\d+s", check[part]) for part in ("interval", "timeout"))
    assert check["retries"] >= 10


@pytest.mark.parametrize(
    ("variable", "server"),
    [
        ("ORDERS_URL", "postgresql"),
        ("CUSTOMERS_URL", "mariadb"),
        ("MONGODB_URL", "mongodb"),
        ("BUS_URL", "rabbitmq"),
    ],
)
def test_url_of_the_readme_leads_to_the_server(variable: str, server: str) -> None:
    """Host and port of each URL are those that the file publishes, and its database is made there."""
    url = make_url(URLS[variable])
    told = SERVERS[server].get("environment", {})
    made = told.get("POSTGRES_DB") or told.get("MARIADB_DATABASE")

    assert (url.host, url.port) == published(server)
    assert made is None or url.database == made
    assert Settings.model_validate({variable.lower(): URLS[variable]})


def test_nats_of_the_readme_is_where_the_file_publishes_it(tmp_path: Path) -> None:
    """The other broker is named too, and is a bus that we know."""
    address, port = published("nats")
    assert f"nats://{address}:{port}" in README
    assert open_bus(f"nats://{address}:{port}", tmp_path)


def test_doctor_looks_where_the_file_publishes() -> None:
    """The places that `lab doctor` tries by itself are those of the file."""
    for server, url in servers.USUAL_PLACES.items():
        found = make_url(url)
        assert (found.host, found.port) == published(server)
