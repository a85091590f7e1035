"""The shop as one service with one relational database: products, orders and their items (13.1-13.4)."""
