"""A process is killed at its statements and commits, one after the other; whatever it was doing ends right.

`make test` kills at a sample, `make torture` at every one.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import lab_support
from lab_support.database import Backend, scratch_database
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.split import NAMES
from tests.conftest import missing

SAMPLE = {"sqlite": 14, "postgresql": 6, "mariadb": 6}
ROOT = Path(lab_support.__file__).parents[1]


@pytest.fixture
def server(backend: Backend, request: pytest.FixtureRequest) -> Iterator[None]:
    """Use the PostgreSQL server that `tests/conftest.py` has chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if backend == "postgresql":
            patch.setenv("LAB_POSTGRES_URL", request.getfixturevalue("postgresql_database"))
        yield


@pytest.fixture
async def urls(backend: Backend, server: None, tmp_path: Path) -> AsyncIterator[list[str]]:
    """Give four empty databases, one for each service; none on SQLite, where the files come from the matrix."""
    async with AsyncExitStack() as stack:
        try:
            yield [
                await stack.enter_async_context(scratch_database(backend, tmp_path))
                for _ in NAMES
                if backend != "sqlite"
            ]
        except DatabaseUnreachableError as error:
            missing(str(error))


async def kill(folder: Path, urls: list[str], points: str) -> dict[str, Any]:
    """Kill at the points, in a process of its own that has no threads, and return its report."""
    where = folder / "matrix"
    where.mkdir()
    command = [sys.executable, "-m", "tests.proof.crash", "--folder", str(where), "--points", points]
    command += ["--urls", *urls] if urls else []
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=here
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(told)
    return report


async def test_whatever_a_process_is_killed_at_ends_right(
    backend: Backend, urls: list[str], tmp_path: Path
) -> None:
    report = await kill(tmp_path, urls, f"sample {SAMPLE[backend]}")

    assert report["wrong"] == {}
    assert report["killed"] == SAMPLE[backend]


@pytest.mark.torture
async def test_a_process_may_be_killed_at_each_of_its_points(
    backend: Backend, urls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        report = await kill(tmp_path, urls, "all")
        print(f"{backend}: killed at {report['killed']} of {report['points']} points")

    assert report["wrong"] == {}
    assert report["killed"] == report["points"] > 500
