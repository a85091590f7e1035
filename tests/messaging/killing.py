"""A process that is really killed (SIGKILL), at a moment that it names itself."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import lab_support


async def killed(script: str, *arguments: str, says: str) -> None:
    """Run a script, and kill it when it says that the moment has come."""
    here = {**os.environ, "PYTHONPATH": str(Path(lab_support.__file__).parents[1])}
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=here)
    try:
        async with asyncio.timeout(30):
            assert victim.stdout is not None
            assert (await victim.stdout.readline()).decode().strip() == says
    finally:
        if victim.returncode is None:
            victim.kill()
        assert await victim.wait() == -signal.SIGKILL
