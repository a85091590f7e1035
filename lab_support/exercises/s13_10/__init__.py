"""13.10: what students are asked about pools and timeouts."""

from lab_support.exercises.s13_10.e1_sizes import sizes
from lab_support.exercises.s13_10.e2_leak import leak
from lab_support.exercises.s13_10.e3_limit import limit
from lab_support.exercises.s13_10.e4_errors import errors
from lab_support.exercises.s13_10.e5_motor import motor_options
from lab_support.exercises.s13_10.e6_knee import knee

TITLE = "Pools and timeouts"
EXERCISES = (sizes, leak, limit, errors, motor_options, knee)

__all__ = ["EXERCISES", "TITLE"]
