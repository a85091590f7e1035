"""The revisions that every database of the store goes through, oldest first."""
