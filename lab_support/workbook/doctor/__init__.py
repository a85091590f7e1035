"""What `lab doctor` examines: what is installed, which servers answer, what is missing and what mends it.

Section:
    00, "Help"
"""

from lab_support.workbook.doctor.examination import examine
from lab_support.workbook.doctor.report import Diagnosis, Finding, State

__all__ = ["Diagnosis", "Finding", "State", "examine"]
