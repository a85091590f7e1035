"""13.7: what students are asked about MongoDB with Motor."""

from lab_support.exercises.s13_07.e3_router import router

TITLE = "MongoDB with Motor"
EXERCISES = (router,)

__all__ = ["EXERCISES", "TITLE"]
