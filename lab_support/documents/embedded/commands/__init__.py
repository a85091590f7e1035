"""The commands of the embedded server, one module per family; importing this package registers them all (13.7).

May import the other modules of `documents.embedded`.
"""

from lab_support.documents.embedded.commands import handshake, inserting, reading

__all__ = ["handshake", "inserting", "reading"]
