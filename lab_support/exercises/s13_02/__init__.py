"""13.2: what students are asked about keeping DTO and entity apart."""

from lab_support.exercises.s13_02.e1_dtos import dtos
from lab_support.exercises.s13_02.e2_mapping import mapping
from lab_support.exercises.s13_02.e3_users import users
from lab_support.exercises.s13_02.e4_tax import tax
from lab_support.exercises.s13_02.e5_split import split

TITLE = "DTO and entity, apart"
EXERCISES = (dtos, mapping, users, tax, split)

__all__ = ["EXERCISES", "TITLE"]
