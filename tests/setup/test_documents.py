"""What the documents claim: links lead somewhere, the drawing is the contract, README's requests get their answers."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab_support.services import running_app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.fixture(scope="module")
def layers() -> list[list[str]]:
    """The rooms from the top to the bottom, one list for each level."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in config["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    levels = [re.split(r"\s*[:|]\s*", level) for level in contract["layers"]]
    return [[room.removeprefix("lab_support.") for room in level] for level in levels]


def test_every_room_is_under_the_contract(layers: list[list[str]]) -> None:
    """A new folder or module of the package must be given its place among the layers."""
    package = ROOT / "lab_support"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}

    assert folders | modules == {room for level in layers for room in level}


def test_drawing_of_rooms_is_the_contract(layers: list[list[str]]) -> None:
    """The arrows of docs/architecture.md lead from each level to the next, in the contract's order."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawing = text.split("flowchart TD\n")[1].split("```")[0]
    arrows = re.findall(r"(\w+) --> (\w+)", re.sub(r'\[".*?"\]', "", drawing))

    assert arrows == [arrow for above, below in pairwise(layers) for arrow in product(above, below)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link and picture of a document exists."""
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    missing = [
        target for target in targets if "://" not in target and not (document.parent / target).exists()
    ]

    assert missing == []


def test_map_of_folders_names_what_is_there() -> None:
    """README's table of folders names each folder of the repository, and no other but those made on first use."""
    rows = re.findall(r"^\| `([^`]+)/` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    hidden_or_built = re.compile(r"\..*|.*egg-info|build|dist|work|__pycache__")
    there = {
        path.name for path in ROOT.iterdir() if path.is_dir() and not hidden_or_built.fullmatch(path.name)
    }

    assert set(rows) - {"work", ".lab"} == there


@dataclass(frozen=True)
class Request:
    """One `curl` line of README, with the status that its comment promises."""

    method: str
    url: str
    body: Any
    status: int


def readme_requests() -> list[Request]:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    return [_parsed(line) for line in lines if line.startswith("curl ") and "<id>" not in line.split("#")[0]]


def _parsed(line: str) -> Request:
    words = shlex.split(line, comments=True)
    after = {flag: words[words.index(flag) + 1] for flag in ("-X", "-d") if flag in words}
    [url] = [word for word in words if word.startswith("http")]
    method = after.get("-X", "POST" if "-d" in after else "GET")
    body = json.loads(after["-d"]) if "-d" in after else None
    return Request(method, url, body, int(line.rsplit("#", 1)[1].split(",")[0]))


async def test_requests_of_the_readme_get_their_answers() -> None:
    """README's requests, sent in their order to a fresh application, get the status and Location they promise."""
    requests = readme_requests()
    assert len(requests) >= 8

    async with running_app() as client:
        for request in requests:
            parts = urlsplit(request.url)
            address = f"{parts.path}?{parts.query}" if parts.query else parts.path
            response = await client.request(request.method, address, json=request.body)

            assert (request, response.status_code) == (request, request.status)
            if request.status == 201:
                assert response.headers["location"] == "/store/products/1"
            if request.status == 202:
                assert response.headers["location"].startswith("/orders/")


async def test_interactive_description_is_where_the_readme_says() -> None:
    """The store's OpenAPI page answers at the address that README names."""
    [address] = re.findall(
        r"`http://127\.0\.0\.1:8000(/store/docs)`", (ROOT / "README.md").read_text(encoding="utf-8")
    )

    async with running_app() as client:
        assert (await client.get(address)).status_code == 200
