"""How the tables of Inventory got their shape: Alembic revisions, run by `services.revisions`."""
