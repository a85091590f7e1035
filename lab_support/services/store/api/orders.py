"""Orders over HTTP; so far they can be read.

Section:
    13.2, "Flattened and combined responses"
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from lab_support.services.problem_docs import problems
from lab_support.services.store.api.dependencies import order_service
from lab_support.services.store.dtos import OrderDetail
from lab_support.services.store.mapping import order_detail
from lab_support.services.store.service import OrderService

router = APIRouter(prefix="/orders", tags=["orders"])

OrderId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="As given by the store.")]


@router.get("/{order_id}", responses=problems(404))
async def get_order(
    order_id: OrderId, orders: Annotated[OrderService, Depends(order_service)]
) -> OrderDetail:
    """Show one order with its lines and what they cost together."""
    return order_detail(await orders.get(order_id))
