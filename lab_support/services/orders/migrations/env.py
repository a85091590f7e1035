"""Alembic's entry to the revisions of Orders."""

from lab_support.services.orders.entities import OrdersBase
from lab_support.services.revisions_env import run

run("orders", OrdersBase.metadata)
