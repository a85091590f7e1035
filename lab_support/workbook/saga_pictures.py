"""A saga's timeline drawn: as lines of text, as a table, as a sequence diagram.

Whatever came from outside is shown as text and is nothing else: in Markdown and in mermaid every character that may
mean something there is written as its number.

Section:
    13.6, "Why is this order still pending?"
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Final, Protocol
from uuid import UUID

KEEPER: Final = "orders"
"""The service that hears of everything and keeps the timeline."""

MOST_EVENTS: Final = 200
LONGEST_TEXT: Final = 120
TITLES: Final = ("Time (UTC)", "Since", "Service", "Event", "Because of", "Details")
_PLAIN: Final = frozenset(" ,-()+ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


class Told(Protocol):
    """What a sequence diagram needs to know of an event."""

    @property
    def event_id(self) -> UUID:
        """Its own name."""

    @property
    def causation_id(self) -> UUID | None:
        """The name of the event that was its reason."""

    @property
    def service(self) -> str:
        """Who told it."""

    @property
    def type(self) -> str:
        """What happened."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline, as text."""

    at: str
    since: str
    service: str
    type: str
    cause: str
    details: str


def text(heading: str, why: str, lines: Sequence[Line]) -> str:
    """Draw it for a terminal, without a character that a terminal would obey."""
    rows = [TITLES, *(tuple(_printable(one) for one in astuple(line)) for line in lines[:MOST_EVENTS])]
    widths = [max(len(row[n]) for row in rows) for n in range(len(TITLES))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    shown = [_printable(heading), _printable(why, longest=1000), "", *(row.rstrip() for row in table)]
    return "\n".join([*shown, *_rest(lines)])


def markdown(heading: str, why: str, lines: Sequence[Line], diagram: str) -> str:
    """Draw it for a notebook: the sentence, the table, the diagram."""
    rows = [_row(tuple(_numbered(one, "&#{};") for one in astuple(line))) for line in lines[:MOST_EVENTS]]
    parts = [
        f"**{_numbered(heading, '&#{};')}**",
        _numbered(why, "&#{};", longest=1000),
        "\n".join([_row(TITLES), _row(("---",) * len(TITLES)), *rows]),
        *_rest(lines),
        f"```mermaid\n{diagram}\n```",
    ]
    return "\n\n".join(parts)


def diagram(events: Sequence[Told]) -> str:
    """Draw who reacted to whom, in mermaid's words.

    An arrow goes from whoever told an event to each service that reacted to it. What nobody reacted to, Orders has at
    least noted (dashed); of its own it is a note.
    """
    shown = events[:MOST_EVENTS]
    names = list(dict.fromkeys(event.service for event in shown)) or [KEEPER]
    if KEEPER not in names:
        names.append(KEEPER)
    ids = {name: f"s{n}" for n, name in enumerate(names)}
    lines = [f"    participant {id_} as {_numbered(name, '#{};')}" for name, id_ in ids.items()]
    return "\n".join(["sequenceDiagram", *lines, *(f"    {one}" for one in _arrows(shown, ids))])


def _arrows(events: Sequence[Told], ids: dict[str, str]) -> Iterator[str]:
    reactions: defaultdict[UUID | None, dict[str, None]] = defaultdict(dict)
    for event in events:
        reactions[event.causation_id][event.service] = None
    for event in events:
        teller, label = ids[event.service], _numbered(event.type, "#{};")
        for service in reactions.get(event.event_id, ()):
            yield f"{teller}->>{ids[service]}: {label}"
        if event.event_id in reactions:
            continue
        if event.service == KEEPER:
            yield f"Note over {teller}: {label}"
        else:
            yield f"{teller}-->>{ids[KEEPER]}: {label}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rest(lines: Sequence[Line]) -> list[str]:
    more = len(lines) - MOST_EVENTS
    return [f"… and {more} more events"] if more > 0 else []


def _printable(told: str, *, longest: int = LONGEST_TEXT) -> str:
    """Shorten a text, and make every character that is not to be seen a question mark."""
    short = told if len(told) <= longest else f"{told[: longest - 1]}…"
    return "".join(one if one.isprintable() else "?" for one in short)


def _numbered(told: str, form: str, *, longest: int = LONGEST_TEXT) -> str:
    """Write every character that might be markup as its number; the word "end" would end a block in mermaid."""
    shown = _printable(told, longest=longest)
    if shown.strip().lower() == "end":
        return "".join(form.format(ord(one)) for one in shown)
    return "".join(one if one in _PLAIN else form.format(ord(one)) for one in shown)
