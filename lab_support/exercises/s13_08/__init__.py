"""13.8: what students are asked about flexible schemas."""

from lab_support.exercises.s13_08.e1_products import products
from lab_support.exercises.s13_08.e2_users_validator import users_validator
from lab_support.exercises.s13_08.e3_tighten import tighten
from lab_support.exercises.s13_08.e4_drift import drift
from lab_support.exercises.s13_08.e5_upcaster import upcaster
from lab_support.exercises.s13_08.e6_queries import queries

TITLE = "Flexible schemas"
EXERCISES = (products, users_validator, tighten, drift, upcaster, queries)

__all__ = ["EXERCISES", "TITLE"]
