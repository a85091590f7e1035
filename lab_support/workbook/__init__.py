"""What a notebook imports: start, check, hint, solution, progress, claim, explain (all sections).

May import `exercises` and everything below it.
"""

from lab_support.workbook.checking import CheckFailed, CheckMisusedError, check
from lab_support.workbook.claims import claim
from lab_support.workbook.explaining import explain
from lab_support.workbook.explanations import explain_error
from lab_support.workbook.hints import hint, solution
from lab_support.workbook.progress import progress
from lab_support.workbook.starting import run_folder, start

__all__ = [
    "CheckFailed", "CheckMisusedError", "check", "claim", "explain", "explain_error", "hint", "progress", "run_folder",
    "solution", "start",
]  # fmt: skip
