"""13.5: what students are asked about sagas and the outbox."""

from lab_support.exercises.s13_05.e1_outbox import outbox
from lab_support.exercises.s13_05.e2_relay import relay
from lab_support.exercises.s13_05.e3_consumer import consumer

TITLE = "Sagas and the outbox"
EXERCISES = (outbox, relay, consumer)

__all__ = ["EXERCISES", "TITLE"]
