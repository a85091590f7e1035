"""Alembic's entry to the revisions of Customers."""

from lab_support.services.customers.entities import CustomersBase
from lab_support.services.revisions_env import run

run("customers", CustomersBase.metadata)
