"""The doctor's words: findings, and the diagnosis they add up to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    Attributes:
        name: What was examined, in a few words.
        state: "ok"; "note" for what is optional and absent, or worth knowing; "bad" for what must be mended.
        detail: What was seen, without secrets.
        remedy: The command or step that mends it; None where nothing needs mending.
    """

    name: str
    state: State
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, in the order in which a reader should mend them."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True when nothing must be mended; notes do not count."""
        return all(finding.state != "bad" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the diagnosis as data that JSON can carry."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}
