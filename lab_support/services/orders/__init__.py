"""Orders: owns orders, their price list, their timeline and the queue of reviews (13.5, 13.6).

Begins each saga, and ends it: by reacting to the events of the others (choreography), or by telling them what to do
(orchestration). May import `sagas`, `messaging`, `repositories`, `database`, `pools`, `settings` and its own modules.
"""
