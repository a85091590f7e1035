"""Pool sizes, time limits, and what an exhausted pool or a slow server becomes in HTTP (sections 13.1 and 13.10).

May import `settings` only.
"""
