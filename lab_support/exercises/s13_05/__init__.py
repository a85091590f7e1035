"""13.5: what students are asked about sagas and the outbox."""

from lab_support.exercises.model import Exercise

TITLE = "Sagas and the outbox"
EXERCISES: tuple[Exercise, ...] = ()

__all__ = ["EXERCISES", "TITLE"]
