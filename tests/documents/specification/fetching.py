"""MongoDB's published cases for CRUD, out of the source distribution of the installed PyMongo.

They are fetched with pip the first time, kept under `.lab/`, and never committed.
"""

import subprocess
import sys
import tarfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bson import json_util

KEPT = Path(__file__).parents[3] / ".lab" / "specification"
FOLDER = "test/crud/unified/"
OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.RELAXED, document_class=dict)


class NotFetchedError(Exception):
    """The source distribution could not be had; the text says why."""


@cache
def case_files() -> dict[str, dict[str, Any]]:
    """Give the parsed files by their names, sorted.

    Raises:
        NotFetchedError: pip could not download them.
    """
    with tarfile.open(_source_distribution()) as archive:
        members = [member for member in archive.getmembers() if FOLDER in member.name and member.isfile()]
        texts = {Path(member.name).stem: archive.extractfile(member) for member in members}
        return {
            name: json_util.loads(stream.read().decode(), json_options=OPTIONS)
            for name, stream in sorted(texts.items())
            if stream is not None
        }


def _source_distribution() -> Path:
    release = version("pymongo")
    KEPT.mkdir(parents=True, exist_ok=True)
    found = list(KEPT.glob(f"pymongo-{release}.tar.gz"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-binary", "pymongo", "--dest", str(KEPT), f"pymongo=={release}"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        except subprocess.TimeoutExpired as error:
            raise NotFetchedError("pip did not bring the source of pymongo within 90 s.") from error
        found = list(KEPT.glob(f"pymongo-{release}.tar.gz"))
        if not found:
            lines = ended.stderr.strip().splitlines()
            reason = lines[-1] if lines else f"pip ended with {ended.returncode}"
            raise NotFetchedError(f"pip cannot fetch the source of pymongo {release}: {reason}")
    return found[0]
