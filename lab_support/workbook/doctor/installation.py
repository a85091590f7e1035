"""What is installed: Python, the packages that pyproject.toml asks for, the pins, the notebooks' kernel."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from lab_support.workbook.doctor.report import Finding, State

_LOWEST, _BEYOND = (3, 11), (3, 14)
_GROUPS: tuple[tuple[str, str, State], ...] = (
    ("packages", "", "bad"),
    ("packages for PostgreSQL", "postgres", "note"),
    ("packages for MariaDB", "mysql", "note"),
)


def install_command(extra: str = "postgres") -> str:
    """Return the command that installs what is missing, to be run in the workbook's folder."""
    python = f'"{sys.executable}"' if os.name == "nt" else shlex.quote(sys.executable)
    return f'{python} -m pip install --constraint constraints.txt --editable ".[{extra}]"'


def python() -> Finding:
    """Tell whether this Python is one the workbook is tested on."""
    seen = f"{sys.version.split()[0]} at {sys.executable}"
    if _LOWEST <= sys.version_info < _BEYOND:
        return Finding("Python", "ok", seen)
    return Finding("Python", "bad", f"{seen}; 3.11, 3.12 or 3.13 is needed", "make lab PYTHON=python3.12")


def packages() -> Iterator[Finding]:
    """Compare what is installed with what the package's metadata asks for: one finding for each group."""
    wanted = [Requirement(line) for line in requires("lab-support") or ()]
    core = {need.name for need in wanted if _belongs_to(need, "")}
    for name, extra, state_if_missing in _GROUPS:
        group = [need for need in wanted if _belongs_to(need, extra) and (not extra or need.name not in core)]
        wrong = [trouble for need in group if (trouble := _trouble(need))]
        if wrong:
            command = install_command(extra or "postgres")
            yield Finding(name, state_if_missing, "; ".join(wrong), command)
        else:
            yield Finding(name, "ok", f"{len(group)} of {len(group)} installed in a version that fits")


def _belongs_to(need: Requirement, extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})


def _trouble(need: Requirement) -> str:
    try:
        installed = version(need.name)
    except PackageNotFoundError:
        return f"{need.name} is missing"
    if need.specifier.contains(installed, prereleases=True):
        return ""
    return f"{need.name} {installed} does not fit {need.specifier}"


def pins(constraints: Path) -> Finding:
    """Name the installed packages whose version is not the one of `constraints.txt`."""
    try:
        lines = constraints.read_text(encoding="utf-8").splitlines()
    except OSError:
        return Finding("pins", "note", f"{constraints.name} is not here, so versions were not compared")
    pinned = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    differing = [
        f"{name} {installed} (pinned {wanted})"
        for name, wanted in pinned
        if (installed := _installed(name)) not in (None, wanted)
    ]
    if not differing:
        return Finding("pins", "ok", "every installed package has its pinned version")
    return Finding("pins", "note", f"not the pinned version: {', '.join(differing)}", install_command())


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def kernel() -> Finding:
    """Tell whether notebooks will run this Python, and not one that a stray kernel file names."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    remedy = f"{shlex.quote(sys.executable)} -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("notebook kernel", "bad", "Jupyter finds no kernel called python3", remedy)
    program = Path(spec.argv[0])
    by_name = program.name == spec.argv[0]  # Jupyter puts its own Python in place of a bare name
    if by_name or program.absolute() == Path(sys.executable).absolute():
        return Finding("notebook kernel", "ok", "notebooks run this Python")
    detail = f"notebooks would run {program}, not {sys.executable} ({spec.resource_dir} says so)"
    return Finding("notebook kernel", "bad", detail, remedy)
