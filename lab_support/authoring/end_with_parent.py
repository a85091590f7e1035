"""End a worker whose parent was killed; by itself it would wait for its next job for ever.

Section:
    All sections; `lab build --check` uses it.
"""

from __future__ import annotations

import os
import threading
from multiprocessing import connection, parent_process


def end_with_parent() -> None:
    """Watch the parent from a thread of its own, and end this process with it, however it ends."""
    threading.Thread(target=_wait_for_the_end, name="parent-watch", daemon=True).start()


def _wait_for_the_end() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
