"""The proof that exercises, solutions, labs, lessons and stored answers agree: `lab build --check`.

Section:
    All sections.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab_support.authoring.build import lab_text, notebooks_in
from lab_support.authoring.declarations import declaration_findings, notebook_exercise_findings
from lab_support.authoring.end_with_parent import end_with_parent
from lab_support.authoring.findings import Finding
from lab_support.authoring.notebook_rules import lesson_findings, read_or_report, solution_findings
from lab_support.authoring.notebook_runs import blank_findings, reference_findings
from lab_support.authoring.stored_answers import StoredAnswer, every_answer, finding_about
from lab_support.exercises import load_all
from lab_support.exercises.fresh_process import METHOD
from lab_support.notebooks import NotebookError

Told = Callable[[int, int], None]
Job = Callable[[], Sequence[Finding]]
WORKERS = 4
"""At most so many stored answers are judged at once, and never more than there are processors."""


def check_workbook(root: Path, told: Told | None = None) -> list[Finding]:
    """Return everything that does not agree, in order: files first, then what was found by running code.

    Args:
        root: The workbook's folder.
        told: Called with the number of jobs done and of all jobs, for a progress bar.
    """
    found = list(file_findings(root))
    exercises = load_all()
    for exercise in exercises:
        found += declaration_findings(root, exercise)
    answers = every_answer(root, exercises)
    jobs: list[Job] = [partial(_about_answer, answer) for answer in answers]
    for solution in notebooks_in(root / "solutions"):
        jobs.append(partial(reference_findings, solution))
        lab = root / "labs" / solution.name
        jobs += [partial(blank_findings, lab)] if lab.exists() else []
    return found + sorted(_in_parallel(jobs, told), key=lambda finding: finding.where)


def file_findings(root: Path) -> Iterator[Finding]:
    """Yield what can be seen in the notebooks without running them."""
    for solution in notebooks_in(root / "solutions"):
        unread: list[Finding] = []
        notebook = read_or_report(solution, unread, f"solutions/{solution.name}")
        yield from unread
        if notebook is not None:
            yield from solution_findings(notebook, f"solutions/{solution.name}")
            yield from notebook_exercise_findings(notebook, f"solutions/{solution.name}")
            yield from _lab_findings(solution, root / "labs" / solution.name)
    for lesson in notebooks_in(root / "notebooks"):
        unread = []
        notebook = read_or_report(lesson, unread, f"notebooks/{lesson.name}")
        yield from unread
        if notebook is not None:
            yield from lesson_findings(notebook, f"notebooks/{lesson.name}")
            yield from notebook_exercise_findings(notebook, f"notebooks/{lesson.name}")
    for lab in notebooks_in(root / "labs"):
        if not (root / "solutions" / lab.name).exists():
            yield Finding(
                f"labs/{lab.name}", "it has no solution of that name", "Delete it, or add the solution."
            )


def _lab_findings(solution: Path, lab: Path) -> Iterator[Finding]:
    try:
        wanted = lab_text(solution)
    except NotebookError:
        return  # told already, as a finding about the solution
    if not lab.exists() or lab.read_bytes() != wanted.encode():
        state = "differs from its solution" if lab.exists() else "is not there"
        yield Finding(f"labs/{lab.name}", f"the lab {state}", "`lab build` writes it.")


def _about_answer(answer: StoredAnswer) -> list[Finding]:
    found = finding_about(answer)
    return [found] if found else []


def _in_parallel(jobs: Sequence[Job], told: Told | None) -> list[Finding]:
    """Do every job, each in one of a few processes that have the libraries loaded; kill them when interrupted."""
    found: list[Finding] = []
    context = multiprocessing.get_context(METHOD)
    if METHOD == "forkserver":
        context.set_forkserver_preload(["lab_support.exercises.preloaded"])
    workers = min(WORKERS, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        try:
            with _ctrl_c_for_this_process_only():
                waiting = [pool.submit(job) for job in jobs]
            for done, job in enumerate(as_completed(waiting), 1):
                found += job.result()
                if told is not None:
                    told(done, len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
    return found


@contextmanager
def _ctrl_c_for_this_process_only() -> Iterator[None]:
    """Start processes that a Ctrl-C in the terminal does not reach; this process ends them itself."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
