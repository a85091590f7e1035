"""Where the system refuses namespaces, children still run under plain limits, and say that they do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from lab_support.grading.isolation.launcher import Confinement, Zygote

async def main():
    folder, entries = map(Path, sys.argv[1:])
    with Zygote() as zygote:
        endless = zygote.spawn("hostile:endless", Confinement(folder, readable=[entries]))
        active = await endless.active()
        ended = endless.kill()
        hello = zygote.spawn("hostile:hello", Confinement(folder, readable=[entries]))
        said = await hello.receive(30)
        print(json.dumps([active, await hello.certified(), ended, said, hello.wait(30)]))

asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare makes the poorer system")
def test_without_namespaces_a_child_works_is_ended_and_is_not_certified(tmp_path: Path) -> None:
    poorer = ["unshare", "--user", "--map-root-user", "sh", "-c", WITHOUT, "sh"]
    if subprocess.run([*poorer, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no poorer system can be made here")
    entries = Path(__file__).parent / "hostile_entries"
    command = [*poorer, sys.executable, "-c", SCRIPT, str(tmp_path), str(entries)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert told.returncode == 0, told.stderr
    active, certified, ended, said, code = json.loads(told.stdout)
    assert "limits" in active
    assert "namespaces" not in active
    assert not certified
    assert ended == -9
    assert said == {"hello": True}
    assert code == 0
