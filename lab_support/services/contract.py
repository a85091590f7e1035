"""The contract of the store's API as a file: what callers were promised, compared in tests with what is served.

To accept a change that is meant, write the file again, in the workbook's folder:

    python -m lab_support.services.contract > docs/openapi/store.json

Section:
    13.2, "The table changes, the contract does not"
"""

from __future__ import annotations

import json
import sys

from lab_support.services.app import create_store
from lab_support.settings import Settings


def store_contract() -> str:
    """Give the store's OpenAPI description as text that is the same on every machine."""
    description = create_store(Settings()).openapi()
    return json.dumps(description, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(store_contract())
