"""The catalogue: products of very different kinds, as documents in MongoDB (sections 13.7 and 13.8).

It owns the collection `products` and talks to nobody; what it shares with the other services is the `sku`.
"""
