"""13.8: what students are asked about flexible schemas."""

from lab_support.exercises.s13_08.e1_products import products
from lab_support.exercises.s13_08.e2_users_validator import users_validator

TITLE = "Flexible schemas"
EXERCISES = (products, users_validator)

__all__ = ["EXERCISES", "TITLE"]
