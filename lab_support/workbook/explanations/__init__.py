"""Well-known errors in two plain lines: what happened, and what to do (all sections).

`known.py` holds the table, `chain.py` looks for a known error under its wrappers, `frames.py` finds the
reader's own lines, `kernel.py` shows all of it in a notebook. Imports nothing but the standard library.
"""

from lab_support.student_frames import StudentFrame, student_frames
from lab_support.workbook.explanations.chain import Explanation, explain_error
from lab_support.workbook.explanations.kernel import explain, explanation_lines, install_explanations
from lab_support.workbook.explanations.known import KNOWN_ERRORS, KnownError

__all__ = [
    "KNOWN_ERRORS",
    "Explanation",
    "KnownError",
    "StudentFrame",
    "explain",
    "explain_error",
    "explanation_lines",
    "install_explanations",
    "student_frames",
]
