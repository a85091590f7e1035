"""The machinery of sagas: steps and their compensations, the saga log, resumption, retries that end (13.5, 13.6).

Knows no service. May import `messaging`, `database`, `pools` and `settings`.
"""
