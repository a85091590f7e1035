"""Imports that a fresh process needs, made once in the fork server.

Section:
    13.1.6, 13.3.4 and 13.6.6.
"""

from lab_support.exercises import attempt, channel, registry, story

registry.load_all()

__all__ = ["attempt", "channel", "registry", "story"]
