"""Serves a folder's documents in a process of its own, to be killed by a test: `python embedded_process.py FOLDER`."""

import sys
import threading
from pathlib import Path

from lab_support.documents.embedded import EmbeddedMongo

if __name__ == "__main__":
    with EmbeddedMongo(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        threading.Event().wait()
