"""A copy of the set-up scripts in a folder with an awkward name, and a stand-in for Python."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stand_in import Workbook, add_python

ROOT = Path(__file__).resolve().parents[2]
TOOLS = "awk cat cksum cp dirname find grep head id make mkdir mktemp printf rm sed sh tail tee"


@pytest.fixture
def workbook(tmp_path: Path) -> Workbook:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    folder = tmp_path / "Übung mit Leerzeichen, l'été"
    for name in ("scripts", ".ci"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in TOOLS.split():
        (programs / tool).symlink_to(shutil.which(tool) or pytest.skip(f"{tool} is not installed"))
    return Workbook(folder, programs, tmp_path / "diary")


@pytest.fixture
def python3(workbook: Workbook) -> Path:
    return add_python(workbook, "python3")
