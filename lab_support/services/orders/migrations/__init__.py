"""How the tables of Orders got their shape: Alembic revisions, run by `services.revisions`."""
