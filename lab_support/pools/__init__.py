"""Pool sizes, time limits, and what an exhausted pool or a slow server becomes in HTTP.

Serves sections 13.1 and 13.10. May import `settings` only.
"""

from lab_support.pools.causes import Trouble, trouble_behind
from lab_support.pools.deadlines import DeadlineExceededError, deadline, remaining, within_deadline
from lab_support.pools.errors import install_infrastructure_errors
from lab_support.pools.gauged_pool import GaugedQueuePool, gauges_of, held_longer_than
from lab_support.pools.gauges import Holder, PoolGauges, WaitTimes
from lab_support.pools.problems import problem
from lab_support.pools.settings import PoolSettings, Timeouts
from lab_support.pools.unreachable import DatabaseUnreachableError

__all__ = [
    "DatabaseUnreachableError",
    "DeadlineExceededError",
    "GaugedQueuePool",
    "Holder",
    "PoolGauges",
    "PoolSettings",
    "Timeouts",
    "Trouble",
    "WaitTimes",
    "deadline",
    "gauges_of",
    "held_longer_than",
    "install_infrastructure_errors",
    "problem",
    "remaining",
    "trouble_behind",
    "within_deadline",
]
