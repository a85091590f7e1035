"""The gateway: composes what several services know, and keeps a read model of its own (13.9).

It reaches the other services over HTTP alone. May import `messaging`, `repositories`, `database`, `pools`, `settings`
and its own modules.
"""
