"""`lab migrate`: tables are brought to their newest revision, once, and what is wrong is one line."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab_support.cli.app import app
from lab_support.services.migrating import MIGRATED
from lab_support.services.revisions import head_of, upgrade

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_DATA", raising=False)
    for name in MIGRATED:
        monkeypatch.delenv(f"LAB_{name.upper()}_URL", raising=False)


def test_service_is_migrated_and_again_nothing_is_done(tmp_path: Path) -> None:
    """The first run tells the way, the second that there is none."""
    first = run(app, ["migrate", "orders", "--data", str(tmp_path)])
    second = run(app, ["migrate", "orders", "--data", str(tmp_path)])

    newest = head_of("orders")
    assert (first.exit_code, first.output) == (
        0,
        f"orders: from an empty database to {newest}, 2 revision(s) run.\n",
    )
    assert (second.exit_code, second.output) == (0, f"orders: at {newest} already (nothing to do).\n")
    assert [one.name for one in tmp_path.glob("*.db")] == ["orders.db"]


def test_all_services_are_told_to_a_machine(tmp_path: Path) -> None:
    """Without a service all are meant; JSON says for each what happened."""
    asyncio.run(upgrade("customers", f"sqlite+aiosqlite:///{tmp_path / 'customers.db'}", "customers_0001"))

    told = json.loads(run(app, ["migrate", "--data", str(tmp_path), "--json"]).stdout)

    assert [one["service"] for one in told] == list(MIGRATED)
    (customers,) = (one for one in told if one["service"] == "customers")
    assert customers == {
        "service": "customers",
        "database": customers["database"],
        "before": "customers_0001",
        "after": "customers_0002",
        "adopted": False,
        "ran": ["customers_0002"],
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing"], "There is no service 'nothing'"),
        (["catalog"], "lab backfill catalog"),
        (["orders"], "nobody said where the data of 'orders' is"),
    ],
    ids=["unknown service", "documents", "no folder"],
)
def test_what_cannot_be_migrated_is_one_line(arguments: list[str], told: str) -> None:
    """It says what to do, and the status is 1."""
    refused = run(app, ["migrate", *arguments])

    assert refused.exit_code == 1
    assert told in refused.output
    assert refused.output.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql://clerk:hunter2@127.0.0.1:1/shop",
        "sqlite+aiosqlite:////nowhere/at/all.db",
    ],
)
def test_unusable_database_is_one_line_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unreadable, unreachable, or in no folder."""
    monkeypatch.setenv("LAB_ORDERS_URL", url)

    refused = run(app, ["migrate", "orders"])

    assert refused.exit_code == 1, refused.output
    assert refused.output.count("\n") == 1
    assert "hunter2" not in refused.output


def test_two_processes_at_once_both_end_well(tmp_path: Path) -> None:
    """One runs the revisions, the other waits for it and finds nothing to do."""
    command = [
        sys.executable,
        "-m",
        "lab_support.cli",
        "migrate",
        "orders",
        "--data",
        str(tmp_path),
        "--json",
    ]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [one.communicate(timeout=100) for one in both]

    assert [one.returncode for one in both] == [0, 0], said
    ran = [json.loads(out)[0]["ran"] for out, _ in said]
    assert sorted(ran, key=len) == [[], ["orders_0001", "orders_0002"]]
