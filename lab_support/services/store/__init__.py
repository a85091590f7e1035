"""The shop as one service with one relational database: products, orders and their items (13.1-13.4).

Owns its tables and talks to no other service. May import `database`, `pools` and its own modules.
"""
