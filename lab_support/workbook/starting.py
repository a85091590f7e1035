"""The first cell of every notebook: what runs here, fresh data, and explanations turned on.

Section:
    00, "Start here"
"""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from lab_support import __version__
from lab_support.database import EmbeddedPostgres, masked
from lab_support.exercises.registry import STEMS
from lab_support.settings import Settings
from lab_support.workbook import forgotten_await
from lab_support.workbook.environment import SettingError, check_urls, likely_typos, read_settings
from lab_support.workbook.explanations import install_explanations
from lab_support.workbook.run_folders import renew_run_folder, run_folder

__all__ = ["SECTIONS", "StartError", "run_folder", "start"]

SECTIONS = ("00", *STEMS)


class StartError(Exception):
    """The notebook can't begin; one line says why and what to do."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


def start(section: str, *, made_for: str | None = None) -> None:
    """Begin a lesson or lab: print what it runs on, give it an empty `run_folder()`, explain errors.

    Args:
        section: Such as "13.1"; "00" is the introduction.
        made_for: The version of the workbook that the notebook was written for, such as "0.1".

    Raises:
        StartError: The section does not exist, or a `LAB_` variable can't be used.
    """
    if str(section) not in SECTIONS:
        raise StartError(f"There is no section {section!r}. The sections are {', '.join(SECTIONS)}.")
    try:
        settings = read_settings()
        urls = check_urls(settings)
        folder = renew_run_folder(str(section))
    except (SettingError, OSError) as error:
        raise StartError(str(error)) from None
    _prepare_cells()
    _say(" · ".join([f"Section {section}", *_versions(), *_databases(urls)]))
    for line in _notes(made_for, settings, folder):
        _say(f"Note: {line}")


def _versions() -> Iterator[str]:
    yield f"lab_support {__version__}"
    yield f"Python {platform.python_version()}"
    yield f"SQLAlchemy {version('sqlalchemy')}"
    yield f"FastAPI {version('fastapi')}"


def _databases(urls: dict[str, URL]) -> Iterator[str]:
    yield f"SQLite {sqlite3.sqlite_version}"
    if "postgres_url" in urls:
        yield f"PostgreSQL at {masked(urls['postgres_url'])}"
    elif EmbeddedPostgres.available():
        yield "PostgreSQL in the box"
    else:
        yield "no PostgreSQL"
    if "mariadb_url" in urls:
        yield f"MariaDB at {masked(urls['mariadb_url'])}"
    if "database_url" in urls:
        yield f"the store on {masked(urls['database_url'])}"


def _notes(made_for: str | None, settings: Settings, folder: Path) -> Iterator[str]:
    if made_for is not None and not _agree(made_for, __version__):
        yield (
            f"this notebook was made for lab_support {made_for} and {__version__} is installed; "
            "update the folder, then run `make lab`."
        )
    if settings.postgres_url is None and not EmbeddedPostgres.available():
        yield "without PostgreSQL, races are shown on SQLite; `make lab` installs it."
    if not folder.is_relative_to(settings.lab_home.resolve()):
        yield f"{settings.lab_home} can't be written: files are in {folder}, and progress is not saved."
    yield from likely_typos()


def _agree(made_for: str, installed: str) -> bool:
    """Compare as many parts of the version as the notebook names."""
    wanted = made_for.strip().split(".")
    return wanted == installed.split(".")[: len(wanted)]


def _prepare_cells() -> None:
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        install_explanations(shell)
        forgotten_await.install(shell)


def _say(line: str) -> None:
    print(line)  # noqa: T201
