"""How the tables of Payments got their shape: Alembic revisions, run by `services.revisions`."""
