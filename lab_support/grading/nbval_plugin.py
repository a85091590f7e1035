"""A pytest plugin that counts the checks really run in a notebook, by cell id."""
