"""`lab backfill catalog`: old documents are brought up to date, and what is wrong is one line."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab_support.cli.app import app
from lab_support.documents.client import mongo_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.services.catalog.entities import COLLECTION
from lab_support.services.catalog.lifespan import DATABASE
from lab_support.services.catalog.seed import old_documents

run = CliRunner().invoke


async def _fill(url: str, many: int) -> None:
    async with mongo_client(url) as client:
        await client[DATABASE][COLLECTION].insert_many(old_documents(many))


async def _versions(url: str) -> set[int]:
    async with mongo_client(url) as client:
        return set(await client[DATABASE][COLLECTION].distinct("schema_version"))


def test_old_documents_are_brought_up_to_date_and_stay_so(tmp_path: Path) -> None:
    """A second run finds nothing to do."""
    with EmbeddedMongo(tmp_path / "documents") as server:
        asyncio.run(_fill(server.url, 12))

    first = run(app, ["backfill", "catalog", "--data", str(tmp_path)])
    second = run(app, ["backfill", "catalog", "--data", str(tmp_path)])

    assert (first.exit_code, first.output) == (0, "12 document(s) changed, 0 changed by others meanwhile.\n")
    assert (second.exit_code, second.output) == (0, "0 document(s) changed, 0 changed by others meanwhile.\n")
    with EmbeddedMongo(tmp_path / "documents") as server:
        assert len(asyncio.run(_versions(server.url))) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["orders"], "'orders' keeps no documents"),
        (["catalog"], "Which documents?"),
    ],
    ids=["service without documents", "no folder"],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to do, and the status is 1."""
    monkeypatch.delenv("LAB_DATA", raising=False)
    refused = run(app, ["backfill", *arguments])

    assert refused.exit_code == 1
    assert told in refused.output
    assert refused.output.count("\n") == 1


def test_folder_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    """The documents of a running application are its own."""
    with EmbeddedMongo(tmp_path / "documents"):
        refused = run(app, ["backfill", "catalog", "--data", str(tmp_path)])

    assert refused.exit_code == 1
    assert refused.output.startswith("lab: the service 'catalog' can't use its documents")
    assert refused.output.count("\n") == 1
