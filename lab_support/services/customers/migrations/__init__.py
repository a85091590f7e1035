"""How the tables of Customers got their shape: Alembic revisions, run by `services.revisions`."""
