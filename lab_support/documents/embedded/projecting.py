"""Projections: the part of a document that a query wants.

Section:
    13.7, "Finding"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab_support.documents.embedded.errors import CommandError, not_implemented

Document = dict[str, Any]

Tree = dict[str, Any]


def compile_projection(spec: Mapping[str, Any]) -> Callable[[Document], Document]:
    """Make a function that gives the wanted part of a document.

    Raises:
        CommandError: Fields are both wanted and unwanted (code 31254 or 31253), or an expression is asked for (238).
    """
    raise not_implemented("projections yet") if spec else CommandError(1, "")
