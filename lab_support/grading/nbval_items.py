"""What the nbval plugin adds: a ledger for each kernel, and one last item per notebook that reads it.

Section:
    All sections.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from lab_support.grading.ledger import PROGRESS_VARIABLE, VARIABLE, Ledger
from lab_support.grading.vacuous import CellRun, findings
from lab_support.notebooks import NotebookError, read_notebook
from lab_support.settings import workbook_root


class CheckCounter:
    """Hooks that follow each notebook's cells and what their checks recorded."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="lab-nbval-")
        self._ledgers: dict[IPyNbFile, Ledger] = {}
        self._runs: dict[IPyNbFile, list[CellRun]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path) -> Generator[None, list[Any], list[Any]]:
        """Put one clear line in place of nbval's traceback where a file is no notebook."""
        collectors = yield
        if any(isinstance(one, IPyNbFile) for one in collectors):
            try:
                read_notebook(file_path, ids_needed=False)
            except NotebookError as error:
                return [_unreadable(one, error) if isinstance(one, IPyNbFile) else one for one in collectors]
        return collectors

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Add the last item to each notebook all of whose cells are to run."""
        for file in dict.fromkeys(item.parent for item in items if isinstance(item, IPyNbCell)):
            own = [index for index, item in enumerate(items) if item.parent is file]
            if len(own) == sum(cell.cell_type == "code" for cell in file.nb.cells):
                items.insert(
                    own[-1] + 1, ChecksItem.from_parent(file, name="checks", runs=self._runs_of(file))
                )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Tell a kernel that is about to start where its ledger is."""
        if not isinstance(item, IPyNbCell):
            return (yield)
        counts = "on" if _is_the_students_own(item.parent.path) else "off"
        with _environment({VARIABLE: str(self._ledger_of(item.parent).path), PROGRESS_VARIABLE: counts}):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Remember how a cell ended and what its checks recorded meanwhile."""
        report = yield
        if isinstance(item, IPyNbCell) and (call.when == "call" or not report.passed):
            lines = self._ledger_of(item.parent).new_lines()
            ran = CellRun(str(item.cell.get("id", "")), report.outcome, tuple(lines))
            self._runs_of(item.parent).append(ran)
            if report.failed and lines:
                report.longrepr = f"{_headline(lines[-1])}\n{report.longrepr}"
        return report

    def pytest_unconfigure(self) -> None:
        """Delete the ledgers."""
        self._folder.cleanup()

    def _ledger_of(self, file: IPyNbFile) -> Ledger:
        if file not in self._ledgers:
            self._ledgers[file] = Ledger(Path(self._folder.name) / f"{len(self._ledgers)}.jsonl")
        return self._ledgers[file]

    def _runs_of(self, file: IPyNbFile) -> list[CellRun]:
        return self._runs.setdefault(file, [])


class VacuousError(Exception):
    """Checks of a notebook did not run, or did not pass, though nbval saw no failure."""


class ChecksItem(pytest.Item):
    """The last item of a notebook: every check of its section really ran, and none is hidden."""

    def __init__(self, *, runs: list[CellRun], **rest: Any) -> None:
        super().__init__(**rest)
        self._cell_runs = runs

    def runtest(self) -> None:
        """Compare the checks that ran with those of the section.

        Raises:
            VacuousError: A check is missing, skipped, tagged, replaced, or failed unseen.
        """
        found = list(findings(read_notebook(self.path, ids_needed=False), self._cell_runs))
        if found:
            raise VacuousError("\n".join(found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the findings alone, one a line."""
        return (
            str(excinfo.value)
            if isinstance(excinfo.value, VacuousError)
            else super().repr_failure(excinfo, style)
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the item belongs."""
        return self.path, 0, f"{self.path.name}::checks"


class UnreadableNotebook(pytest.File):
    """A file that nbval would meet with a traceback."""

    def __init__(self, *, problem: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._problem = problem

    def collect(self) -> Iterator[pytest.Item]:
        """Fail with one line.

        Raises:
            pytest.Collector.CollectError: Always.
        """
        raise self.CollectError(self._problem)


def _is_the_students_own(path: Path) -> bool:
    """Whether a notebook lies in the `work/` of its workbook, or below it."""
    return path.resolve().is_relative_to(workbook_root(path.parent) / "work")


def _unreadable(file: IPyNbFile, error: NotebookError) -> UnreadableNotebook:
    node: UnreadableNotebook = UnreadableNotebook.from_parent(file.parent, path=file.path, problem=str(error))
    return node


def _headline(verdict: Mapping[str, Any]) -> str:
    """Return what pytest's summary shows of a failed check."""
    return f"{verdict['exercise']} {verdict.get('state')}: {verdict.get('title')}"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a process that is about to start, and put the old ones back."""
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
