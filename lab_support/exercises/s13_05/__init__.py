"""13.5: what students are asked about sagas and the outbox."""

from lab_support.exercises.s13_05.e1_outbox import outbox
from lab_support.exercises.s13_05.e2_relay import relay
from lab_support.exercises.s13_05.e3_consumer import consumer
from lab_support.exercises.s13_05.e4_reserve_credit import reserve_credit
from lab_support.exercises.s13_05.e5_choreography import choreography
from lab_support.exercises.s13_05.e6_orchestrator import orchestrator

TITLE = "Sagas and the outbox"
EXERCISES = (outbox, relay, consumer, reserve_credit, choreography, orchestrator)

__all__ = ["EXERCISES", "TITLE"]
