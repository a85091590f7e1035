"""13.3: what students are asked about repositories."""

from lab_support.exercises.s13_03.e1_sqlalchemy import on_a_session
from lab_support.exercises.s13_03.e2_in_memory import in_memory
from lab_support.exercises.s13_03.e3_generic import generic
from lab_support.exercises.s13_03.e4_provider import provider
from lab_support.exercises.s13_03.e5_keyset import keyset

TITLE = "The repository"
EXERCISES = (on_a_session, in_memory, generic, provider, keyset)

__all__ = ["EXERCISES", "TITLE"]
