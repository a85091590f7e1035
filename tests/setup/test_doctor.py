"""What `lab doctor` finds, and what it never tells."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.workbook.doctor import (
    Diagnosis,
    Finding,
    examination,
    examine,
    installation,
    places,
    servers,
)
from tests.conftest import missing


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    for name in ("notebooks", "labs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "13_01_sqlalchemy_orm.ipynb").write_text("{}")
    (tmp_path / "constraints.txt").write_text("# pins\nsqlalchemy==0.1\nnot-installed-here==1.0\n")
    return tmp_path


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def only(findings: list[Finding], name: str) -> Finding:
    [found] = [finding for finding in findings if finding.name == name]
    return found


def test_notes_do_not_make_an_installation_ill() -> None:
    """What is optional and absent leaves `ok` true; one bad finding makes it false."""
    note, bad = Finding("MariaDB", "note", "not here"), Finding("Python", "bad", "3.10")

    assert Diagnosis((note,)).ok
    assert not Diagnosis((note, bad)).ok


def test_healthy_installation_is_called_healthy(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the machine that runs the tests, everything that must be there is found, and JSON can carry it."""
    monkeypatch.setenv("LAB_HOME", str(workbook / ".lab"))
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    diagnosis = examine(workbook)

    assert diagnosis.ok, diagnosis
    told = json.loads(json.dumps(diagnosis.as_dict()))
    names = [finding["name"] for finding in told["findings"]]
    assert names[:2] == ["Python", "packages"]
    assert {"the store's database", "PostgreSQL", "MariaDB"} <= set(names)


async def test_doctor_works_inside_a_running_loop(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook cell, where a loop runs already, can call it too."""
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))
    assert asyncio.get_running_loop().is_running()

    found = servers.examine_servers()

    assert only(found, "the store's database").state == "ok"


def test_pins_name_what_differs(workbook: Path) -> None:
    """A package in another version than its pin is named with both; absent packages are no difference."""
    found = installation.pins(workbook / "constraints.txt")

    assert found.state == "note"
    assert "(pinned 0.1)" in found.detail
    assert "not-installed-here" not in found.detail
    assert "--constraint constraints.txt" in (found.remedy or "")


def test_missing_package_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A needed package that is absent or too old is bad; an optional one is a note. Both name the command."""
    asked = ["fastapi>=9000", "no-such-package", 'no-such-driver; extra == "mysql"']
    monkeypatch.setattr(installation, "requires", lambda _name: asked)

    core, postgres, mysql = installation.packages()

    assert core.state == "bad"
    assert "no-such-package is missing" in core.detail
    assert "does not fit >=9000" in core.detail
    assert postgres.state == "ok"
    assert (mysql.state, mysql.detail) == ("note", "no-such-driver is missing")
    assert '".[mysql]"' in (mysql.remedy or "")


def test_unsupported_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14 is refused with the versions that are right."""
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))

    assert installation.python().state == "bad"


def test_kernel_of_another_python_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel file that sends notebooks to another Python is found, and the mending command named."""
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/elsewhere/bin/python"], "display_name": "x"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    found = installation.kernel()

    assert found.state == "bad"
    assert "notebooks would run /elsewhere/bin/python" in found.detail
    assert (found.remedy or "").endswith("-m ipykernel install --sys-prefix")


def test_lab_that_was_not_copied_is_counted(workbook: Path) -> None:
    """The work folder's finding counts copies, and other notebooks there do not count."""
    (workbook / "work").mkdir()
    (workbook / "work" / "scratch.ipynb").write_text("{}")

    found = places.work(workbook)

    assert (found.state, found.detail) == ("note", "0 of 1 lab(s) copied to work/")


def test_unwritable_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where progress can't be kept, the folder is named with the setting that moves it."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "file" / "home"))

    [found] = places.lab_home()

    assert found.state == "bad"
    assert "LAB_HOME" in (found.remedy or "")


@pytest.mark.parametrize("variable", ["LAB_DATABASE_URL", "LAB_POSTGRES_URL", "LAB_MARIADB_URL"])
def test_server_asked_for_and_absent_is_bad_without_its_password(
    variable: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that a setting names must answer; the finding shows its address and never its password."""
    scheme = "mysql+aiomysql" if variable == "LAB_MARIADB_URL" else "postgresql+asyncpg"
    monkeypatch.setenv(variable, f"{scheme}://ann:s3cret-w0rd@127.0.0.1:{closed_port}/shop")
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    [found] = [finding for finding in servers.examine_servers() if finding.state == "bad"]

    assert f"ann:***@127.0.0.1:{closed_port}" in found.detail
    assert found.remedy == f"Start that server, or correct {variable}"
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "not a url s3cret",
        "oracle://ann:s3cret@host/shop",
        "postgresql+psycopg2://ann:s3cret@host/shop",
        "//:s3cret@",
    ],
)
def test_useless_url_is_told_without_its_secret(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that no engine can be built from is bad, whatever it looks like."""
    monkeypatch.setenv("LAB_DATABASE_URL", url)
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    found = only(servers.examine_servers(), "the store's database")

    assert found.state == "bad"
    assert "ann:s3cret" not in found.detail


def test_examination_makes_no_database_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite file that is not there yet is fine, and still not there afterwards."""
    monkeypatch.setenv("LAB_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    found = only(servers.examine_servers(), "the store's database")

    assert found.state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_senseless_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is no number is bad; the variable is named, its value is not repeated."""
    monkeypatch.setenv("LAB_POOL_SIZE", "s3cret")

    [found] = servers.examine_servers()

    assert found.detail.startswith("LAB_POOL_SIZE: ")
    assert "s3cret" not in str(found)


@pytest.mark.postgres
def test_postgresql_in_the_box_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor starts the real server and tells its version."""
    monkeypatch.delenv("LAB_POSTGRES_URL", raising=False)
    if not servers.EmbeddedPostgres.available() and os.environ.get("LAB_REQUIRE_SERVICES", "0") == "0":
        pytest.skip("the PostgreSQL in the box is not installed")

    found = only(servers.examine_servers(), "PostgreSQL")

    assert found.state == "ok", found
    assert "in the box" in found.detail
    assert "PostgreSQL 1" in found.detail


def test_probe_that_breaks_becomes_a_finding(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in one probe hides none of the others, and its text, which may hold a secret, is not told."""

    def broken() -> list[Finding]:
        raise RuntimeError("postgresql://ann:s3cret@host")

    monkeypatch.setattr(examination.servers, "examine_servers", broken)

    diagnosis = examine(workbook)

    assert diagnosis.findings[-1].detail == "could not be examined: RuntimeError"
    assert len(diagnosis.findings) >= 8
    assert "s3cret" not in json.dumps(diagnosis.as_dict())


@pytest.mark.parametrize(
    ("variable", "scheme", "named"),
    [
        ("LAB_MONGODB_URL", "mongodb", "MongoDB"),
        ("LAB_BUS_URL", "amqp", "the bus"),
        ("LAB_BUS_URL", "nats", "the bus"),
        ("LAB_ORDERS_URL", "postgresql+asyncpg", "the database of orders"),
        ("LAB_GATEWAY_URL", "mysql+aiomysql", "the database of gateway"),
    ],
)
def test_every_server_that_a_setting_names_must_answer(
    variable: str, scheme: str, named: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker, a MongoDB or a service's database that is away is bad, and its password is not told."""
    monkeypatch.setenv(variable, f"{scheme}://ann:s3cret-w0rd@127.0.0.1:{closed_port}/shop")
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    found = only(servers.examine_servers(), named)

    assert found.state == "bad"
    assert variable in f"{found.detail} {found.remedy}"
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("url", ["mongodb://ann:s3cret@[/shop", "carrier-pigeon://s3cret"])
def test_senseless_address_of_a_bus_or_mongodb_is_told_without_its_secret(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no client can be made of is bad, and what was typed is not repeated."""
    name, variable = ("MongoDB", "LAB_MONGODB_URL") if url.startswith("mongo") else ("the bus", "LAB_BUS_URL")
    monkeypatch.setenv(variable, url)
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    found = only(servers.examine_servers(), name)

    assert found.state == "bad"
    assert "ann:s3cret" not in str(found)


async def test_mongodb_that_answers_is_told_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of a setting is asked for its version."""
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))
    server = EmbeddedMongo().start()
    try:
        monkeypatch.setenv("LAB_MONGODB_URL", server.url)
        found = only(servers.examine_servers(), "MongoDB")
    finally:
        server.close()

    assert (found.state, found.remedy) == ("ok", None)
    assert "answers: MongoDB" in found.detail


@pytest.mark.rabbitmq
def test_broker_that_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ of the usual place answers."""
    try:
        socket.create_connection(("127.0.0.1", 5672), timeout=5).close()
    except OSError as error:
        missing(f"RabbitMQ cannot be used: {error}")
    monkeypatch.setenv("LAB_BUS_URL", "amqp://guest:guest@127.0.0.1:5672")
    monkeypatch.setattr(servers.EmbeddedPostgres, "available", staticmethod(lambda: False))

    found = only(servers.examine_servers(), "the bus")

    assert found.state == "ok"
    assert "guest:guest" not in str(found)
