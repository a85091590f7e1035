"""13.1: what students are asked about SQLAlchemy's ORM behind FastAPI."""

from lab_support.exercises.s13_01.e1_entity import entity
from lab_support.exercises.s13_01.e2_sessions import sessions

TITLE = "SQLAlchemy ORM, asynchronously, behind FastAPI"
EXERCISES = (entity, sessions)

__all__ = ["EXERCISES", "TITLE"]
