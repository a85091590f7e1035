"""What importing the workbook costs beside the libraries it stands on."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.ratios import Ratio, ratio

WORKBOOK = "import lab_support.workbook"
LIBRARIES = "import sqlalchemy, sqlalchemy.ext.asyncio, sqlalchemy.orm, fastapi, pydantic"


def import_ratio(pairs: int = 9) -> Ratio:
    """Compare the two imports in fresh processes, in turn."""
    found = [_seconds(WORKBOOK) / _seconds(LIBRARIES) for _ in range(pairs + 1)]
    return ratio("import lab_support.workbook : import sqlalchemy, fastapi, pydantic", found[1:], 1.3)


def _seconds(statement: str) -> float:
    script = f"import time; began = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)
