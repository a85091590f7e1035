"""The command as a process: it starts quickly, stops at once, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.lab_files import ROOT, lab_file

STEM = "13_01_sqlalchemy_orm"
LIMIT_S = 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a workbook with a lab."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / f"{STEM}.ipynb").write_bytes((ROOT / "labs" / f"{STEM}.ipynb").read_bytes())
    return tmp_path


@contextmanager
def lab(home: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command in a process group of its own, and end what is left of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab_support.cli", *arguments],
        cwd=home,
        env={**os.environ, "LAB_HOME": str(home / ".lab"), "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], said: str) -> str:
    """Read the output until a line holds what is awaited; fail at its end or when time is up."""
    alarm = threading.Timer(LIMIT_S, process.kill)
    alarm.start()
    try:
        assert process.stdout is not None
        read: list[str] = []
        for line in process.stdout:
            read.append(line)
            if said in line:
                return line
        raise AssertionError(f"{said!r} was never said, but: {''.join(read)}")
    finally:
        alarm.cancel()


def test_help_loads_no_library_of_the_workbook() -> None:
    """`lab --help` imports neither SQLAlchemy nor FastAPI nor IPython."""
    script = (
        "import sys\nfrom lab_support.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', sorted({'sqlalchemy', 'fastapi', 'pydantic', 'IPython', 'nbformat'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert "LOADED []" in done.stdout


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "term", "kill"]
)
def test_check_that_is_stopped_leaves_no_process_behind(home: Path, tmp_path: Path, number: int) -> None:
    """However `lab check` ends, the endless cell it was running ends too, and so does what that started."""
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    source = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(fifo)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "while True: pass"
    )
    lab_file(home / "work" / f"{STEM}.ipynb", first=source)

    with lab(home, "check", "13.1") as process:
        started = [psutil.Process(int(pid)) for pid in fifo.read_text().split()]
        process.send_signal(number)
        process.wait(LIMIT_S)

    _, alive = psutil.wait_procs(started, timeout=LIMIT_S)
    assert len(started) == 2
    assert alive == []


def test_build_check_that_is_stopped_leaves_no_process_behind(home: Path) -> None:
    """Ctrl-C in the terminal ends the judging processes with the command, and none of them says a word."""
    with lab(home, "build", "--check") as process:
        parent = psutil.Process(process.pid)
        children = wait_for_children(parent, 3)
        os.killpg(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=LIMIT_S)

    _, alive = psutil.wait_procs(children, timeout=LIMIT_S)
    assert (process.returncode, printed) == (130, "")
    assert alive == []


def test_killed_build_check_leaves_no_process_behind(home: Path) -> None:
    """SIGKILL cannot be answered; the judging processes notice, and end by themselves."""
    with lab(
        home, "build", "--check", LAB_POSTGRES_URL="postgresql+asyncpg://nobody@127.0.0.1:1/x"
    ) as process:
        children = wait_for_children(psutil.Process(process.pid), 4)
        process.kill()
        process.wait(LIMIT_S)

        _, alive = psutil.wait_procs(children, timeout=LIMIT_S)
    assert alive == []


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
    ids=["ctrl-c", "term", "kill"],
)
@pytest.mark.parametrize("when", ["waiting", "checking"])
def test_watch_that_is_stopped_leaves_nothing_behind(
    home: Path, tmp_path: Path, number: int, status: int, when: str
) -> None:
    """The process that waits, the one that checks, what the student's code started, their files: all are gone."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    endless = f"open({str(fifo)!r}, 'w').close()\nwhile True: pass"
    lab_file(home / "work" / f"{STEM}.ipynb", change={"13-1-5-work": endless} if when == "checking" else None)

    with lab(home, "watch", "13.1.5", TMPDIR=str(scratch)) as process:
        wait_for_line(process, f"work/{STEM}.ipynb")
        if when == "checking":
            fifo.read_text()
        else:
            wait_for_line(process, "1 of 1 passed")
        children = wait_for_children(psutil.Process(process.pid), 1)
        process.send_signal(number)

        assert process.wait(LIMIT_S) == status
        _, alive = psutil.wait_procs(children, timeout=LIMIT_S)
        assert alive == []
    if number != signal.SIGKILL:
        assert list(scratch.iterdir()) == []


def test_watch_answers_a_save_of_a_lab_with_another_name(home: Path) -> None:
    """From the first check to Ctrl-C, told as JSON: a line for each event."""
    path = lab_file(home / "work" / "my own name.ipynb")

    with lab(home, "watch", "13.1.5", "--json") as process:
        first = json.loads(wait_for_line(process, '"ended"'))
        unfinished = lab_file(home / "work" / ".unfinished", change={"13-1-5-work": "search_products = 5"})
        unfinished.replace(path)
        checked = json.loads(wait_for_line(process, '"checked"'))
        last = json.loads(wait_for_line(process, '"ended"'))
        process.send_signal(signal.SIGINT)

        assert process.wait(LIMIT_S) == 0
    assert (first["file"], first["states"]) == (str(path), {"13.1.5": "passed"})
    assert checked["verdict"]["cases"]
    assert (checked["exercise"], checked["passed"]) == ("13.1.5", False)
    assert last["states"] == {"13.1.5": checked["state"]}


def wait_for_children(parent: psutil.Process, number: int) -> list[psutil.Process]:
    """Return the process's descendants once there are so many."""
    ready, asked = threading.Event(), threading.Event()
    found: list[psutil.Process] = []
    for _ in range(LIMIT_S * 20):
        found = parent.children(recursive=True)
        if len(found) >= number:
            ready.set()
            break
        asked.wait(0.05)
    assert ready.is_set(), f"only {len(found)} children"
    return found


def test_serve_answers_until_ctrl_c(home: Path) -> None:
    """The address is printed when it answers; Ctrl-C ends it with status 0."""
    with lab(home, "serve", "--port", "0", "--data", str(home / "data")) as process:
        line = wait_for_line(process, "answers at http://127.0.0.1:")
        process.send_signal(signal.SIGINT)

        assert process.wait(LIMIT_S) == 0
    assert (home / "data").is_dir()
    assert "Ctrl-C stops it" in line


def test_serve_on_a_port_in_use_is_one_line(home: Path) -> None:
    """The line names the port, and the status is 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with lab(home, "serve", "--port", port) as process:
            printed, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 1
    assert len(printed.splitlines()) == 1
    assert port in printed


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://shop:hunter2@127.0.0.1:1/shop",
        "oracle://shop:hunter2@127.0.0.1/shop",
        "postgresql+asyncpg//shop:hunter2@127.0.0.1/shop",
    ],
    ids=["unreachable", "unsupported", "malformed"],
)
def test_serve_on_a_wrong_database_is_one_line_without_the_password(home: Path, url: str) -> None:
    """An unreachable or senseless LAB_DATABASE_URL is told with its secrets masked."""
    with lab(home, "serve", "--port", "0", LAB_DATABASE_URL=url) as process:
        printed, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 1
    assert len(printed.splitlines()) == 1
    assert "hunter2" not in printed


def test_open_makes_the_copies_and_becomes_jupyterlab(home: Path) -> None:
    """The student's copy is there before JupyterLab answers, its token is on, and a signal ends all of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with lab(home, "open", "--no-browser", "--port", port) as process:
        line = wait_for_line(process, f":{port}/lab")
        jupyter = psutil.Process(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)

    assert (home / "work" / f"{STEM}.ipynb").read_bytes() == (home / "labs" / f"{STEM}.ipynb").read_bytes()
    assert "token=" in line
    assert not jupyter.is_running()
