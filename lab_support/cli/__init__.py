"""The `lab` command: every verb is one call into a room below (all sections).

May import everything; nothing imports it. Verbs import what they need when they run: `lab --help` is quick.
"""

from lab_support.cli.app import app, main

__all__ = ["app", "main"]
