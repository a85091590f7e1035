"""A server on 127.0.0.1 that speaks MongoDB's wire protocol to the real drivers; nothing to install (13.7, 13.8).

The way of a command, and the file that holds each part of it:

`wire` reads and writes messages, `server` owns the thread and the connections, `commands/` checks the keys and
runs the command, `storage` and `journal` keep the documents, `indexes` keeps them unique. Pure functions that
know no server do the rest: `ordering` (BSON's order), `matching` (filters), `updating` (update operators),
`projecting`, `aggregating` and `expressions` (pipelines), `validation` (validators).

May import `database`, `pools` and `settings`. What it is and is not: docs/embedded-mongodb.md.
"""

from lab_support.documents.embedded.server import EmbeddedMongo

__all__ = ["EmbeddedMongo"]
