"""13.10: what students are asked about pools and timeouts."""

from lab_support.exercises.s13_10.e1_sizes import sizes

TITLE = "Pools and timeouts"
EXERCISES = (sizes,)

__all__ = ["EXERCISES", "TITLE"]
