"""Engines, sessions and what happened inside them: the relational foundation (sections 13.1 and 13.4).

May import `pools` and `settings`.
"""
