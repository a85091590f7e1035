"""Between rows, services and what crosses HTTP: pure functions, no session.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab_support.services.gateway.dtos import CircuitRead, Heard, SummaryRead
from lab_support.services.gateway.entities import OrderSummary
from lab_support.services.gateway.remote import RemoteService


def circuit_read(service: RemoteService) -> CircuitRead:
    """Show how the gateway gets on with a service."""
    circuit = service.circuit
    return CircuitRead(
        service=service.name,
        state=circuit.state,
        failed_in_a_row=circuit.failed_in_a_row,
        rests_for_s=round(circuit.rests_for_s, 3),
        at=service.at,
    )


def summary_read(summary: OrderSummary) -> SummaryRead:
    """Show a summary."""
    pieces = None if summary.items is None else sum(int(line["quantity"]) for line in summary.items)
    columns = {name: getattr(summary, name) for name in SummaryRead.model_fields if name != "pieces"}
    return SummaryRead(**columns, pieces=pieces)


def freshness(heard: Mapping[str, datetime]) -> dict[str, Any]:
    """Say up to when everybody was heard: as far as the one who was heard least."""
    return {"as_of": min(heard.values(), default=None), "heard": Heard.model_validate(dict(heard))}
