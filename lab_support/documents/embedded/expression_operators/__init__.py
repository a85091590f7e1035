"""The operators of aggregation expressions, one module per family; importing this package registers them (13.8).

May import the other modules of `documents.embedded`.
"""

from lab_support.documents.embedded.expression_operators import (
    arrays,
    conversions,
    logic,
    numbers,
    objects,
    strings,
)

__all__ = ["arrays", "conversions", "logic", "numbers", "objects", "strings"]
