"""Pool sizes, time limits, and what an exhausted pool or a slow server becomes in HTTP.

Serves sections 13.1 and 13.10. May import `settings` only.
"""

from lab_support.pools.causes import Trouble, trouble_behind
from lab_support.pools.errors import install_infrastructure_errors
from lab_support.pools.problems import problem
from lab_support.pools.settings import PoolSettings, Timeouts
from lab_support.pools.unreachable import DatabaseUnreachableError

__all__ = [
    "DatabaseUnreachableError",
    "PoolSettings",
    "Timeouts",
    "Trouble",
    "install_infrastructure_errors",
    "problem",
    "trouble_behind",
]
