"""Writing the workbook: labs built from solutions, and the proof that all its parts agree (authors).

May import `grading` and everything below it. `lab build` is its only door.
"""

from lab_support.authoring.agreement import check_workbook
from lab_support.authoring.build import build_labs
from lab_support.authoring.findings import Finding

__all__ = ["Finding", "build_labs", "check_workbook"]
