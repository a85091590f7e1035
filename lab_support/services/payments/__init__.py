"""Payments: owns the charges and refunds of orders that are paid by card (13.6).

Talks to a payment provider, which is simulated. May import `sagas`, `messaging`, `repositories`, `database`, `pools`,
`settings` and its own modules.
"""
