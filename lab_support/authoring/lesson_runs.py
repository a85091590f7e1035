"""Run the lessons from their first cell to the last, so that what they show is what this version does.

Section:
    All sections; `lab build --run` uses it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from lab_support.authoring.build import notebooks_in
from lab_support.notebooks import NotebookError, read_notebook, write_notebook
from lab_support.settings import Settings

CELL_LIMIT_S = 120
Told = Callable[[int, int], None]


def run_lessons(root: Path, stems: Collection[str] = (), told: Told | None = None) -> list[Path]:
    """Execute lessons and write their outputs into them, one lesson at a time; return those that ran.

    The runs count as nobody's progress, and the lessons see that of a student who begins.

    Args:
        root: The workbook's folder.
        stems: Beginnings of the names of the lessons wanted, or none for all.
        told: Called with the number of cells done and of all cells, for a progress bar.

    Raises:
        NotebookError: A lesson cannot be read, run or written; it is left as it was, as are those after it.
    """
    lessons = [
        path for path in notebooks_in(root / "notebooks") if not stems or path.stem.startswith(tuple(stems))
    ]
    total = sum(len(list(read_notebook(path).code())) for path in lessons)
    done = 0
    for path in lessons:

        def cell_is_done() -> None:
            nonlocal done
            done += 1
            if told is not None:
                told(done, total)

        with _environment(_of_a_beginner()):
            write_notebook(path, _executed(path, cell_is_done))
    return lessons


def _of_a_beginner() -> dict[str, str]:
    """Return the variables of somebody whose progress is empty."""
    home = Settings().lab_home.resolve() / "lessons"
    (home / "progress.db").unlink(missing_ok=True)
    return {"LAB_PROGRESS": "off", "LAB_HOME": str(home)}


def _executed(path: Path, cell_is_done: Callable[[], None]) -> Mapping[str, Any]:
    text = json.dumps(read_notebook(path).content)
    notebook: Any = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]

    async def told(**_: object) -> None:
        cell_is_done()

    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT_S,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # a kernel on this machine alone needs no warning
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=told,
    )
    try:
        executed = client.execute()
    except CellExecutionError as error:
        raise NotebookError(path, _failure(error, notebook)) from None
    except CellTimeoutError:
        problem = f"was not renewed: a cell ran for more than {CELL_LIMIT_S} s. Mend it."
        raise NotebookError(path, problem) from None
    except DeadKernelError:
        problem = "was not renewed: its kernel died. Run it in JupyterLab to see why."
        raise NotebookError(path, problem) from None
    content: dict[str, Any] = json.loads(nbformat.writes(executed, version=4))  # type: ignore[no-untyped-call]
    return content


def _failure(error: CellExecutionError, notebook: Mapping[str, Any]) -> str:
    failed = next((cell for cell in notebook["cells"] if _raised(cell)), {"id": "?"})
    said = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
    return f"was not renewed: its cell {failed['id']} raised {said} Mend the cell and run the command again."


def _raised(cell: Mapping[str, Any]) -> bool:
    expected = "raises-exception" in cell.get("metadata", {}).get("tags", ())
    return not expected and any(output["output_type"] == "error" for output in cell.get("outputs", ()))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the kernel that is about to start, and put the old ones back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
