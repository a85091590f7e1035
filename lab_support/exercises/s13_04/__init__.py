"""13.4: what students are asked about local transactions."""

from lab_support.exercises.s13_04.e1_place_order import place_order
from lab_support.exercises.s13_04.e2_errors import errors
from lab_support.exercises.s13_04.e3_unit_of_work import unit_of_work
from lab_support.exercises.s13_04.e4_lost_update import lost_update
from lab_support.exercises.s13_04.e5_import import import_rows
from lab_support.exercises.s13_04.e6_retry import retry

TITLE = "Local transactions"
EXERCISES = (place_order, errors, unit_of_work, lost_update, import_rows, retry)

__all__ = ["EXERCISES", "TITLE"]
