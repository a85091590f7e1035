"""Pool sizes, time limits, and what an exhausted pool or a slow server becomes in HTTP.

Serves sections 13.1 and 13.10. May import `settings` only.
"""

from lab_support.pools.problems import problem
from lab_support.pools.settings import PoolSettings, Timeouts
from lab_support.pools.unreachable import DatabaseUnreachableError

__all__ = ["DatabaseUnreachableError", "PoolSettings", "Timeouts", "problem"]
