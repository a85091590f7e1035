"""The code behind the persistence workbook: what the lessons import, run and judge.

Each folder is a room with one job; imports only ever point down this list (`import-linter` enforces it):
`cli`, `authoring`, `grading`, `workbook`, `exercises`, `notebooks`, `services`, `messaging`, `repositories`,
`database`, `pools`, `settings`.
"""

from importlib.metadata import version

__version__ = version("lab-support")
