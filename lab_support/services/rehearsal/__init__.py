"""Expand and contract, rehearsed: `customers.name` becomes `full_name` while old and new code work on the table.

`rehearse` goes the long way and counts what fails: nothing. `rename_at_once` takes the short way and counts, too. It is
for a database that can be thrown away, such as a `scratch_database`.

Section:
    13.9, "Expand and contract"
"""

from lab_support.services.rehearsal.expand_contract import Rehearsal, rehearsal, rehearse, rename_at_once
from lab_support.services.rehearsal.report import Rehearsed, Stage
from lab_support.services.rehearsal.versions import V1, V2, V3, V4, CodeVersion

__all__ = [
    "V1",
    "V2",
    "V3",
    "V4",
    "CodeVersion",
    "Rehearsal",
    "Rehearsed",
    "Stage",
    "rehearsal",
    "rehearse",
    "rename_at_once",
]
