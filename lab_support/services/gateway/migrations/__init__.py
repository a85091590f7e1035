"""How the tables of the gateway got their shape: Alembic revisions, run by `services.revisions`."""
