"""Two drawings of the shop: one database for all against one for each, and who tells whom; read from the code.

Nothing here is drawn by hand: services and tables come from the wiring, arrows from what each service publishes and
reads. After a change of these, write the blocks of the document again, in the workbook's folder:

    python -m lab_support.services.shop_map docs/architecture.md

Section:
    13.9, "The whole map: shared against owned"
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lab_support.messaging import InboxMixin, OutboxMixin
from lab_support.services.split import ALL, GATEWAY, SplitService

DOCUMENTS: Final[Mapping[str, Collection[str]]] = {"catalog": ("products",)}
"""Services that keep documents, and their collections."""

_BLOCK = re.compile(r"(<!-- map: (\w+) -->\n)(.*?)(<!-- end of map -->)", re.DOTALL)


class MapError(ValueError):
    """A document has no place for a drawing, or asks for one that there is not."""


@dataclass(frozen=True, slots=True, order=True)
class Arrow:
    """What one service tells another.

    Attributes:
        teller: The service that publishes.
        hearer: The service that reads.
        topic: Where on the bus.
        types: The events, or commands, by name.
    """

    teller: str
    hearer: str
    topic: str
    types: tuple[str, ...]


def tables_of_services() -> dict[str, tuple[str, ...]]:
    """Name the tables or collections of each service, without those of its messages.

    Section:
        13.9, "The whole map: shared against owned"
    """
    relational = {one.name: _business_tables(one) for one in (*ALL, GATEWAY)}
    return relational | {name: tuple(names) for name, names in DOCUMENTS.items()}


def event_arrows() -> list[Arrow]:
    """Tell who hears which events of whom, as the contract between the services has it.

    Section:
        13.9, "The whole map: shared against owned"
    """
    modules = _event_modules()
    arrows = []
    for teller, tells in modules.items():
        told = [model.__name__ for model in tells.PUBLISHED]
        for hearer, hears in modules.items():
            read = {model.__name__ for model in hears.READ}
            types = tuple(name for name in told if name in read)
            if types and hearer != teller:
                arrows.append(Arrow(teller, hearer, tells.TOPIC, types))
    return sorted(arrows)


def command_arrows() -> list[Arrow]:
    """Tell what Orders asks of whom when it orchestrates.

    Section:
        13.9, "The whole map: shared against owned"
    """
    return sorted(
        Arrow("orders", name, module.COMMANDS, tuple(model.__name__ for model in module.COMMANDED))
        for name, module in _event_modules().items()
        if hasattr(module, "COMMANDED")
    )


def draw_shared() -> str:
    """Draw the shop with one database that every service reads and writes, as mermaid.

    Section:
        13.9, "The whole map: shared against owned"
    """
    owned = {name: tables for name, tables in tables_of_services().items() if name != GATEWAY.name}
    tables = sorted({table for names in owned.values() for table in names})
    lines = ["flowchart TD", f'    shared[("<b>one database</b><br>{"<br>".join(_rows(tables))}")]']
    return "\n".join([*lines, *(f"    {name} --> shared" for name in owned)])


def draw_owned() -> str:
    """Draw the shop with a database for each service, which nobody else opens, as mermaid.

    Section:
        13.9, "The whole map: shared against owned"
    """
    lines = ["flowchart TD", '    gateway -. "HTTP" .-> ' + " & ".join(_neighbours())]
    for name, tables in tables_of_services().items():
        kind = "documents" if name in DOCUMENTS else "tables"
        lines.append(f'    {name} --> {name}_db[("<b>{name}</b>: {kind}<br>{"<br>".join(tables)}")]')
    return "\n".join(lines)


def draw_events() -> str:
    """Draw who hears whom, with topics and the number of event types, as mermaid.

    Section:
        13.9, "The whole map: shared against owned"
    """
    lines = ["flowchart LR"]
    for one in event_arrows():
        kinds = "1 type" if len(one.types) == 1 else f"{len(one.types)} types"
        lines.append(f'    {one.teller} -- "{one.topic}: {kinds}" --> {one.hearer}')
    lines += [f'    {one.teller} -. "{one.topic}" .-> {one.hearer}' for one in command_arrows()]
    return "\n".join(lines)


def event_table() -> str:
    """List each event and command with its topic, its publisher and its readers, as a table in Markdown.

    Section:
        13.9, "The whole map: shared against owned"
    """
    heard: dict[tuple[str, str, str], list[str]] = {}
    for one in (*event_arrows(), *command_arrows()):
        for name in one.types:
            heard.setdefault((one.teller, one.topic, name), []).append(one.hearer)
    rows = [
        f"| {teller} | `{topic}` | `{name}` | {', '.join(hearers)} |"
        for (teller, topic, name), hearers in heard.items()
    ]
    return "\n".join(["| who tells | topic | what | who hears |", "|---|---|---|---|", *rows])


def with_drawings(document: str) -> str:
    """Give a document with each of its blocks `<!-- map: … -->` as the code of today has it.

    Args:
        document: Text with blocks `shared`, `owned`, `events` or `table`, each ended by `<!-- end of map -->`.

    Raises:
        MapError: It has no block, or one of another name.
    """
    drawings = {
        "shared": _fenced(draw_shared()),
        "owned": _fenced(draw_owned()),
        "events": _fenced(draw_events()),
        "table": event_table(),
    }

    def drawn(found: re.Match[str]) -> str:
        if found[2] not in drawings:
            raise MapError(f"There is no drawing '{found[2]}'; there are: {', '.join(drawings)}.")
        return f"{found[1]}{drawings[found[2]]}\n{found[4]}"

    text, blocks = _BLOCK.subn(drawn, document)
    if not blocks:
        raise MapError("The document has no block that begins with <!-- map: … -->.")
    return text


def _business_tables(one: SplitService) -> tuple[str, ...]:
    messages = {_table_name(one.outbox), _table_name(one.inbox)}
    return tuple(sorted(name for name in one.tables.tables if name not in messages))


def _table_name(entity: type[OutboxMixin] | type[InboxMixin]) -> str:
    mapped: Any = entity
    return str(mapped.__tablename__)


def _event_modules() -> dict[str, ModuleType]:
    """The contract of each service is the module `events` in its folder."""
    return {
        name: import_module(f"lab_support.services.{name}.events") for name in sorted(tables_of_services())
    }


def _neighbours() -> list[str]:
    return [name for name in tables_of_services() if name != GATEWAY.name]


def _rows(names: Collection[str], across: int = 4) -> Iterator[str]:
    """Put some names beside each other."""
    listed = list(names)
    for start in range(0, len(listed), across):
        yield ", ".join(listed[start : start + across])


def _fenced(drawing: str) -> str:
    return f"```mermaid\n{drawing}\n```"


def main(arguments: Collection[str]) -> int:
    """Write the blocks of the named documents again; say in one line what can't be done."""
    try:
        for name in arguments:
            path = Path(name)
            text = path.read_text(encoding="utf-8")
            path.write_text(with_drawings(text), encoding="utf-8", newline="\n")
    except (MapError, OSError) as error:
        sys.stderr.write(f"shop_map: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
