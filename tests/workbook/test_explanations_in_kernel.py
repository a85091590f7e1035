"""What a student sees in a real kernel, and what nbval is sent: the same messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

LIMIT_S = 30
INSTALL = (
    "from lab_support.workbook.explanations import install_explanations; install_explanations(get_ipython())"
)
SHOP = """\
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase): pass
class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
engine = create_async_engine("sqlite+aiosqlite://")
async with engine.begin() as connection:
    await connection.run_sync(Base.metadata.create_all)
"""
READ_AFTER_COMMIT = """\
async def place_order():
    async with AsyncSession(engine) as session:
        order = Order()
        session.add(order)
        await session.commit()
        return order.id

await place_order()
"""
CARD = """\
class Card(Exception):
    def _render_traceback_(self):
        return ["the card, and nothing else"]
raise Card("x") from ConnectionRefusedError(111, "Connection refused")
"""


@dataclass
class CellRun:
    """Everything a front end hears of one cell."""

    reply: dict[str, Any]
    errors: list[dict[str, Any]] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""

    @property
    def shown(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(self.errors[-1]["traceback"]))


class Kernel:
    """A running kernel and one front end."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> CellRun:
        run = CellRun({})

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "error":
                run.errors.append(content)
            elif message["msg_type"] == "stream":
                setattr(run, content["name"], getattr(run, content["name"]) + content["text"])

        run.reply = self._client.execute_interactive(code, timeout=LIMIT_S, output_hook=hear)["content"]
        return run


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    manager, client = start_new_kernel(startup_timeout=LIMIT_S)
    try:
        fresh = Kernel(client)
        assert fresh.run(SHOP).reply["status"] == "ok"
        assert fresh.run(INSTALL).reply["status"] == "ok"
        yield fresh
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def test_student_sees_two_lines_and_own_frames(kernel: Kernel) -> None:
    """MissingGreenlet comes as two lines, the two cell lines that led to it, and no library frame."""
    run = kernel.run(READ_AFTER_COMMIT)

    assert run.errors[-1]["ename"] == "StatementError"
    first, second, *rest = run.shown.splitlines()
    assert first.startswith("What happened: An attribute that was not loaded, or had expired at commit")
    assert second.startswith("What to do:    Set `expire_on_commit=False`")
    assert re.search(r"Cell In\[\d+\], line 8\n----> 8 await place_order\(\)", run.shown)
    assert re.search(r"Cell In\[\d+\], line 6, in place_order\n----> 6 return order\.id", run.shown)
    assert rest[-2].startswith("MissingGreenlet: greenlet_spawn has not been called")
    assert rest[-2].endswith("Was IO attempted in an unexpected place?")
    assert "site-packages" not in run.shown
    assert len(rest) <= 12


def test_nbval_is_sent_the_same_text(kernel: Kernel) -> None:
    """The reply, which nbval and nbclient read, carries the traceback that the cell shows."""
    run = kernel.run(READ_AFTER_COMMIT)

    assert run.reply["status"] == "error"
    assert run.reply["traceback"] == run.errors[-1]["traceback"]
    assert run.reply["evalue"] == run.errors[-1]["evalue"]


def test_whole_traceback_is_still_at_hand(kernel: Kernel) -> None:
    """`%tb` shows what the explanation left out."""
    kernel.run(READ_AFTER_COMMIT)
    run = kernel.run("%tb")

    assert "site-packages/sqlalchemy" in run.stdout + "".join(
        error["traceback"][0] for error in run.errors
    ) + (run.shown if run.errors else "")


def test_card_of_an_error_is_left_alone(kernel: Kernel) -> None:
    """An exception with its own card shows that card, even when a known error caused it."""
    run = kernel.run(CARD)

    assert run.shown == "the card, and nothing else"
    assert run.reply["traceback"] == ["the card, and nothing else"]


@pytest.mark.parametrize("cell", ["1 / 0", "def f():\n    return {}['x']\nf()", "await missing()"])
def test_unknown_error_keeps_ipythons_traceback(kernel: Kernel, cell: str) -> None:
    """An unexplained error looks exactly as it does without the explanations."""
    with_explanations = kernel.run(cell)
    kernel.run("get_ipython().set_custom_exc((), None)")
    without = kernel.run(cell)
    kernel.run(INSTALL)

    def nameless(run: CellRun) -> str:
        return re.sub(r"In\[\d+\]", "In[n]", run.shown)

    assert nameless(with_explanations) == nameless(without)
    assert "Traceback (most recent call last)" in with_explanations.shown


def test_failing_explanation_hides_nothing(kernel: Kernel) -> None:
    """When the explaining code itself fails, the student sees IPython's traceback and the handler stays."""
    kernel.run(
        "from lab_support.workbook.explanations import kernel as module\n"
        "real = module.explain_error\n"
        "def broken(error): raise ZeroDivisionError('inside the explanation')\n"
        "module.explain_error = broken"
    )
    run = kernel.run("raise ValueError('mine')")
    kernel.run("module.explain_error = real")
    after = kernel.run(READ_AFTER_COMMIT)

    assert "ValueError: mine" in run.shown
    assert "ZeroDivisionError" not in run.shown
    assert after.shown.startswith("What happened: ")


def test_error_whose_text_fails_is_survived(kernel: Kernel) -> None:
    """An exception with a broken `__str__` is shown by its name, and the handler stays."""
    run = kernel.run(
        "class Mute(RuntimeError):\n    def __str__(self): raise ValueError('no text')\nraise Mute()"
    )
    after = kernel.run(READ_AFTER_COMMIT)

    assert run.errors[0]["ename"] == "Mute"
    assert after.shown.startswith("What happened: ")


def test_forgotten_await_is_explained_where_python_warns(kernel: Kernel) -> None:
    """Python's warning about a coroutine gets the same two lines under it."""
    run = kernel.run("import gc\nasync def save(): pass\nsave()\nNone\ngc.collect();")

    assert "coroutine 'save' was never awaited" in run.stderr
    assert "What happened: An `async def` function was called without `await`" in run.stderr


def test_syntax_error_is_shown_by_ipython(kernel: Kernel) -> None:
    """A cell that cannot be compiled keeps IPython's marker under the wrong place."""
    run = kernel.run("def (:")

    assert run.errors[-1]["ename"] == "SyntaxError"
    assert "^" in run.shown


def test_error_of_a_task_group_is_explained(kernel: Kernel) -> None:
    """A known error inside an exception group is found, and reaches the front end as an error."""
    run = kernel.run(
        "import asyncio\nasync with asyncio.TaskGroup() as group:\n    group.create_task(place_order())\n"
    )

    assert run.errors[-1]["ename"] == "ExceptionGroup"
    assert run.shown.startswith("What happened: An attribute that was not loaded")
    assert "in place_order" in run.shown


def test_last_error_can_be_explained_again(kernel: Kernel) -> None:
    """`explain()` repeats the two lines of the last error, and says so when it knows none."""
    kernel.run(READ_AFTER_COMMIT)
    known = kernel.run("from lab_support.workbook.explanations import explain; explain()")
    kernel.run("1 / 0")
    unknown = kernel.run("explain()")

    assert known.stdout.startswith("An attribute that was not loaded")
    assert "ZeroDivisionError is not in the workbook's table" in unknown.stdout
