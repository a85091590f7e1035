"""The running example: a shop, one folder per service, each owning its data (all sections).

May import `repositories`, `database`, `pools` and `settings`; knows nothing of exercises or the workbook.
"""

from lab_support.services.app import create_app, running_app

__all__ = ["create_app", "running_app"]
