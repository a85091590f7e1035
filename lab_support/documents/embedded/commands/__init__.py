"""The commands of the embedded server, one module per family; importing this package registers them all (13.7).

May import the other modules of `documents.embedded`.
"""

from lab_support.documents.embedded.commands import (
    aggregation,
    changing,
    collections,
    handshake,
    indexing,
    inserting,
    reading,
)

__all__ = ["aggregation", "changing", "collections", "handshake", "indexing", "inserting", "reading"]
