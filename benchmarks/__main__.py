"""`make bench`: print every ratio as a table; the exit status is 1 when one is over its limit."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import (
    checks,
    documents,
    gateway,
    imports,
    messaging,
    mongo_repositories,
    orders,
    pools,
    repositories,
    sagas,
    split,
    store,
    watch,
)
from benchmarks.ratios import Ratio

PARTS: dict[str, Callable[[], list[Ratio]]] = {
    "checks": checks.overheads,
    "documents": documents.ratios,
    "mongo_repositories": mongo_repositories.ratios,
    "gateway": gateway.ratios,
    "imports": lambda: [imports.import_ratio()],
    "orm": lambda: asyncio.run(store.orm_beside_core()),
    "repositories": repositories.ratios,
    "http": lambda: asyncio.run(store.http_beside_service()),
    "orders": lambda: asyncio.run(orders.place_order_beside_its_statements()),
    "messaging": messaging.ratios,
    "pools": pools.ratios,
    "sagas": sagas.ratios,
    "split": split.ratios,
    "watch": watch.save_to_verdict,
}


def main() -> int:
    """Run the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; default all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    wanted = parser.parse_args()
    if unknown := set(wanted.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    console = Console(stderr=True)
    found: list[Ratio] = []
    for part in track(wanted.parts or list(PARTS), "Measuring", console=console):
        found += PARTS[part]()
    if wanted.json:
        print(json.dumps([{**asdict(one), "holds": one.holds} for one in found], indent=2))
    else:
        Console().print(_table(found))
    return 0 if all(one.holds for one in found) else 1


def _table(found: list[Ratio]) -> Table:
    table = Table(
        "what", "median", "min", "max", "limit", "", title="Ratios of one run (ours : the plain thing)"
    )
    for one in found:
        limit = "reported" if one.limit is None else f"≤ {one.limit:.2f}"
        sign = "" if one.limit is None else "✓" if one.holds else "✗ over"
        table.add_row(one.what, f"{one.median:.2f}", f"{one.smallest:.2f}", f"{one.largest:.2f}", limit, sign)
    return table


if __name__ == "__main__":
    sys.exit(main())
