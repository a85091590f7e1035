"""Alembic's entry to the revisions of the gateway."""

from lab_support.services.gateway.entities import GatewayBase
from lab_support.services.revisions_env import run

run("gateway", GatewayBase.metadata)
