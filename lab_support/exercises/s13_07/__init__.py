"""13.7: what students are asked about MongoDB with Motor."""

from lab_support.exercises.s13_07.e1_client import client
from lab_support.exercises.s13_07.e2_ids import ids
from lab_support.exercises.s13_07.e3_router import router
from lab_support.exercises.s13_07.e4_repository import repository
from lab_support.exercises.s13_07.e5_search import search

TITLE = "MongoDB with Motor"
EXERCISES = (client, ids, router, repository, search)

__all__ = ["EXERCISES", "TITLE"]
