"""What students are asked, and the engine that judges it: one module per section (13.1-13.10).

May import `services` and everything below it. Renders nothing: a verdict is data.
"""
