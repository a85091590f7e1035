"""The embedded server against the cases for CRUD that MongoDB publishes, held by a ratchet.

The outcome of each case is recorded in `spec_expected.json`: passed, skipped, or refused with the server's sentence.
After a change that makes more of them pass, `python -m tests.documents.test_specification` writes the record anew.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_support.documents.embedded import EmbeddedMongo
from tests.documents.specification.fetching import NotFetchedError, case_files
from tests.documents.specification.running import run_file

RECORD = Path(__file__).with_name("spec_expected.json")
EXPECTED: dict[str, dict[str, str]] = (
    json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
)


def outcomes(url: str, content: dict[str, Any]) -> dict[str, str]:
    """Run the cases of a file; give a line for each."""
    return {
        description: f"{ended.status}: {ended.reason}" if ended.reason else ended.status
        for description, ended in run_file(url, content)
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Give the URL of an embedded server."""
    with EmbeddedMongo() as server:
        yield server.url


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Any]]:
    """Give the published files, or skip where they cannot be fetched."""
    try:
        return case_files()
    except NotFetchedError as error:
        pytest.skip(str(error))


def test_record_names_every_published_file(published: dict[str, dict[str, Any]]) -> None:
    """A new release of PyMongo with new cases does not go unnoticed."""
    assert set(EXPECTED) == set(published)


def test_record_tolerates_no_failure() -> None:
    """What the server does not do it refuses; it never answers something wrong."""
    statuses = {line.split(":")[0] for cases in EXPECTED.values() for line in cases.values()}

    assert statuses == {"passed", "skipped", "refused"}


def test_documentation_tells_the_recorded_numbers() -> None:
    """The page on the embedded server counts what the record has."""
    counts = Counter(line.split(":")[0] for cases in EXPECTED.values() for line in cases.values())
    page = (Path(__file__).parents[2] / "docs" / "embedded-mongodb.md").read_text(encoding="utf-8")

    told = "{passed} pass, {refused} are refused, none fails; the other {skipped} are".format(**counts)
    assert told in page


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_published_cases_end_as_recorded(name: str, url: str, published: dict[str, dict[str, Any]]) -> None:
    """None gets worse, and what gets better is written down."""
    assert outcomes(url, published[name]) == EXPECTED[name]


def write_record() -> None:
    """Run all cases and write how they ended."""
    with EmbeddedMongo() as server:
        found = {name: outcomes(server.url, content) for name, content in case_files().items()}
    RECORD.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_record()
