"""13.6: what students are asked about coordinated rollback."""

from lab_support.exercises.s13_06.e1_failure_events import failure_events
from lab_support.exercises.s13_06.e2_refund import refund
from lab_support.exercises.s13_06.e3_release import release
from lab_support.exercises.s13_06.e4_tombstone import tombstone
from lab_support.exercises.s13_06.e5_review_queue import review_queue
from lab_support.exercises.s13_06.e6_failure_matrix import failure_matrix

TITLE = "Coordinated rollback"
EXERCISES = (failure_events, refund, release, tombstone, review_queue, failure_matrix)

__all__ = ["EXERCISES", "TITLE"]
