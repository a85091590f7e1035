"""Documents: MongoDB's clients, their types, validators and versions, and the embedded server (13.7, 13.8).

May import `database`, `pools` and `settings`.
"""
