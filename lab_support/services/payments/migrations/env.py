"""Alembic's entry to the revisions of Payments."""

from lab_support.services.payments.entities import PaymentsBase
from lab_support.services.revisions_env import run

run("payments", PaymentsBase.metadata)
