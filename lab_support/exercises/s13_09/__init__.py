"""13.9: what students are asked about a database for each service."""

from lab_support.exercises.s13_09.e1_cut_the_table import cut_the_table
from lab_support.exercises.s13_09.e2_composition import composition
from lab_support.exercises.s13_09.e3_projector import projector
from lab_support.exercises.s13_09.e4_staleness import staleness
from lab_support.exercises.s13_09.e5_expand_and_contract import expand_and_contract

TITLE = "Database per service"
EXERCISES = (cut_the_table, composition, projector, staleness, expand_and_contract)

__all__ = ["EXERCISES", "TITLE"]
