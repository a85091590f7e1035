"""A judge that is killed leaves no child behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, time
from pathlib import Path
from lab_support.grading.isolation.launcher import Confinement, Zygote

folder, entries = map(Path, sys.argv[1:])
with Zygote() as zygote:
    held = {"LAB_HELD": str(folder / "s")}
    child = zygote.spawn("hostile:hold", Confinement(folder, readable=[entries], environment=held))
    sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")
def test_children_end_when_their_judge_is_killed(tmp_path: Path) -> None:
    entries = Path(__file__).parent / "hostile_entries"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        server.settimeout(60)
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(entries)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as judge:
            held, _ = server.accept()
            with held:
                held.settimeout(60)
                assert held.recv(1) == b"x"
                judge.kill()
                assert held.recv(1) == b""
