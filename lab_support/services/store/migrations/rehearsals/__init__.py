"""Revisions that are practised on copies; see `lab_support.services.store.rehearsal`."""
