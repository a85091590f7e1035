"""Inventory: owns what is in stock and what is reserved for which order (13.5, 13.6).

May import `sagas`, `messaging`, `repositories`, `database`, `pools`, `settings` and its own modules.
"""
