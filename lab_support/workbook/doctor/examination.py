"""The examination itself: every probe runs, and none can stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lab_support.settings import workbook_root
from lab_support.workbook.doctor import installation, places, servers
from lab_support.workbook.doctor.report import Diagnosis, Finding

_Probe = Callable[[], Iterable[Finding]]


def examine(root: Path | None = None) -> Diagnosis:
    """Look at the installation, the workbook's folders and the servers.

    Starts the PostgreSQL in the box when it is not running; takes about two seconds, at most twenty.
    Works inside a running event loop too. Never raises: a probe that fails becomes a finding.

    Args:
        root: The workbook's folder; by default the one around the current folder.
    """
    root = root or workbook_root()
    probes: tuple[tuple[str, _Probe], ...] = (
        ("Python", lambda: [installation.python()]),
        ("packages", installation.packages),
        ("pins", lambda: [installation.pins(root / "constraints.txt")]),
        ("notebook kernel", lambda: [installation.kernel()]),
        ("workbook folder", lambda: [places.workbook(root)]),
        ("work folder", lambda: [places.work(root)]),
        ("lab home", places.lab_home),
        ("servers", servers.examine_servers),
    )
    return Diagnosis(tuple(finding for name, probe in probes for finding in _safely(name, probe)))


def _safely(name: str, probe: _Probe) -> list[Finding]:
    """Run a probe; only the class of an unforeseen error is told, for its text may hold a secret."""
    try:
        return list(probe())
    except Exception as error:
        detail = f"could not be examined: {type(error).__name__}"
        return [Finding(name, "bad", detail, "Report this, with the output of: lab doctor --json")]
