"""How the store's tables got their shape: Alembic revisions in `versions`, and functions that run them.

A new database can be made by `create_tables` at once or by `upgrade`; a test holds that both make the same. One
that has data is changed by `upgrade` alone. `rehearsals` holds changes that are practised on copies and not made
(yet); they take part only when asked.

Section:
    13.2, "The table changes, the contract does not"
"""

from lab_support.services.store.migrations.running import current_revision, downgrade, stamp, upgrade

__all__ = ["current_revision", "downgrade", "stamp", "upgrade"]
