"""Alembic's entry to the revisions of Inventory."""

from lab_support.services.inventory.entities import InventoryBase
from lab_support.services.revisions_env import run

run("inventory", InventoryBase.metadata)
