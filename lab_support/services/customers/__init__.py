"""Customers: owns customers, their credit and the letters they were sent (13.5, 13.6).

Reserves and releases credit, and verifies who pays by card. May import `sagas`, `messaging`, `repositories`,
`database`, `pools`, `settings` and its own modules.
"""
