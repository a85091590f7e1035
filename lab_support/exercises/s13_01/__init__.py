"""13.1: what students are asked about SQLAlchemy's ORM behind FastAPI."""

from lab_support.exercises.s13_01.e1_entity import entity
from lab_support.exercises.s13_01.e2_sessions import sessions
from lab_support.exercises.s13_01.e3_router import router
from lab_support.exercises.s13_01.e4_orders import orders
from lab_support.exercises.s13_01.e5_search import search
from lab_support.exercises.s13_01.e6_override import override

TITLE = "SQLAlchemy ORM, asynchronously, behind FastAPI"
EXERCISES = (entity, sessions, router, orders, search, override)

__all__ = ["EXERCISES", "TITLE"]
