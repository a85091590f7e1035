"""Read a class list, so that those who handed in nothing appear.

Section:
    All sections.
"""

from __future__ import annotations

import csv
from pathlib import Path

_HEADERS = ("id", "student", "username", "login", "email", "name", "full name")


class RosterError(Exception):
    """The class list cannot be used; the text is one line that says why."""


def read_roster(path: Path) -> tuple[dict[str, str], ...]:
    """Return the rows, by those headers that are known, in lower case.

    Raises:
        RosterError: It is not readable, not UTF-8 text, or has no known header.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        head = text.partition("\n")[0]
        rows = list(
            csv.reader(text.splitlines(), delimiter=";" if head.count(";") > head.count(",") else ",")
        )
    except UnicodeDecodeError:
        raise RosterError(f"{path} is not UTF-8 text. Save it as CSV UTF-8.") from None
    except (OSError, csv.Error) as error:
        raise RosterError(f"{path} cannot be read as CSV: {error}.") from None
    headers = [header.strip().lower() for header in rows[0]] if rows else []
    if not set(headers) & set(_HEADERS):
        raise RosterError(f"{path} has none of the columns {', '.join(_HEADERS)}.")
    named = ({h: v.strip() for h, v in zip(headers, row, strict=False) if h in _HEADERS} for row in rows[1:])
    return tuple(row for row in named if any(row.values()))
