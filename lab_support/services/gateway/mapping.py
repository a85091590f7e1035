"""Between rows, services and what crosses HTTP: pure functions, no session.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

from lab_support.services.gateway.dtos import CircuitRead
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
