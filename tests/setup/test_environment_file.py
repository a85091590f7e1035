"""The lists of needs: pyproject.toml says what, constraints.txt which release, environment.yml neither."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def needs(project: dict[str, Any]) -> list[Requirement]:
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return [need for line in lines if (need := Requirement(line)).name != project["name"]]


def everything_needed(need: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Walk the installed packages' own needs, extras included, as far as they apply on this machine."""
    yield canonicalize_name(need.name)
    try:
        further = [Requirement(line) for line in requires(need.name) or ()]
    except PackageNotFoundError:
        return
    for extra in {"", *need.extras}:
        if (need.name, extra) in seen:
            continue
        seen.add((need.name, extra))
        for each in further:
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                yield from everything_needed(each, seen)


def test_conda_asks_for_the_same_python_and_package(project: dict[str, Any]) -> None:
    """environment.yml allows the same Pythons as pyproject.toml and takes everything else from it, pinned."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    [python] = [need for need in environment["dependencies"] if str(need).startswith("python")]
    [from_pip] = [need["pip"] for need in environment["dependencies"] if isinstance(need, dict)]

    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(project["requires-python"])
    assert from_pip == ["--constraint constraints.txt", "--editable .[postgres]"]
    assert "postgres" in project["optional-dependencies"]
    assert environment["channels"] == ["conda-forge"]


def test_every_need_is_pinned_to_a_release_that_fits(
    project: dict[str, Any], pins: dict[str, Version]
) -> None:
    """Each package that pyproject.toml names has a pin, and the pin is within the range asked for."""
    unfit = [
        str(need)
        for need in needs(project)
        if not need.specifier.contains(
            pins.get(canonicalize_name(need.name), Version("0.dev0")), prereleases=True
        )
        or canonicalize_name(need.name) not in pins
    ]

    assert unfit == []


def test_needs_of_needs_are_pinned_too(project: dict[str, Any], pins: dict[str, Version]) -> None:
    """Nothing that an installation pulls in, however far down, is free to change from one day to the next."""
    seen: set[tuple[str, str]] = set()
    pulled_in = {name for need in needs(project) for name in everything_needed(need, seen)}

    assert pulled_in - set(pins) == set()
    assert len(pulled_in) > 100


def test_constraints_hold_pins_and_nothing_else() -> None:
    """Every line is one exact release, sorted, each once; there is no address, path or option."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = [line.split("==")[0] for line in lines]

    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert names == sorted(set(names))
    assert "://" not in text
