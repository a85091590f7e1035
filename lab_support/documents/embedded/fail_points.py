"""Failures on order: the fail point `failCommand`, as MongoDB's own tests use it.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_support.documents.embedded.commands.arguments import whole_number
from lab_support.documents.embedded.errors import CommandError, not_implemented

_DATA_KEYS = frozenset({
    "failCommands", "errorCode", "closeConnection", "blockConnection", "blockTimeMS", "errorLabels",
    "writeConcernError", "appName",
})  # fmt: skip


@dataclass(slots=True)
class FailPoint:
    """What is to go wrong, with which commands, and how often.

    Attributes:
        commands: Names of the commands that fail.
        remaining: How often it still strikes; None without a limit.
        skipped: How many commands it lets pass first.
        probability: With which probability it strikes, 0.0 to 1.0.
        data: What happens: `errorCode`, `closeConnection`, `blockConnection` with `blockTimeMS`, …
    """

    commands: frozenset[str] = frozenset()
    remaining: int | None = 0
    skipped: int = 0
    probability: float = 1.0
    data: Mapping[str, Any] = field(default_factory=dict)

    def strikes(self, command: str, app_name: str | None) -> Mapping[str, Any] | None:
        """Say what is to happen to a command now; None when nothing."""
        if command not in self.commands or self.remaining == 0:
            return None
        if self.data.get("appName", app_name) != app_name:
            return None
        if self.skipped:
            self.skipped -= 1
            return None
        if self.probability < 1.0 and random.random() >= self.probability:  # noqa: S311
            return None
        if self.remaining is not None:
            self.remaining -= 1
        return self.data

    @property
    def block_s(self) -> float:
        """How long a struck command waits, in seconds."""
        return float(self.data.get("blockTimeMS", 0)) / 1000 if self.data.get("blockConnection") else 0.0


def parse_fail_point(name: Any, mode: Any, data: Mapping[str, Any]) -> FailPoint:
    """Read what `configureFailPoint` asks for.

    Raises:
        CommandError: The mode or the data make no sense (code 2), or ask for what is not supported (code 238).
    """
    if name != "failCommand":
        raise not_implemented(f"the fail point '{name}'")
    if mode == "off":
        return FailPoint()
    if unknown := set(data) - _DATA_KEYS:
        raise not_implemented(f"'{min(unknown)}' in the fail point failCommand")
    commands = data.get("failCommands")
    if not isinstance(commands, list) or not commands or not all(isinstance(one, str) for one in commands):
        raise CommandError(2, "failCommand needs 'failCommands', an array of names of commands.")
    for key in ("errorCode", "blockTimeMS"):
        whole_number(data, key)
    point = FailPoint(frozenset(commands), None, data=dict(data))
    if mode == "alwaysOn":
        return point
    if not isinstance(mode, Mapping) or len(mode) != 1:
        raise CommandError(
            2, f"The mode of a fail point is 'off', 'alwaysOn', times, skip, or a probability: {mode}"
        )
    _set_mode(point, mode)
    return point


def _set_mode(point: FailPoint, mode: Mapping[str, Any]) -> None:
    kind = next(iter(mode))
    if kind == "times":
        point.remaining = whole_number(mode, kind)
    elif kind == "skip":
        point.skipped = whole_number(mode, kind)
    elif kind == "activationProbability" and isinstance(mode[kind], int | float) and 0 <= mode[kind] <= 1:
        point.probability = float(mode[kind])
    else:
        raise CommandError(
            2, f"The mode {mode} makes no sense: times and skip take a number, a probability 0 to 1."
        )
