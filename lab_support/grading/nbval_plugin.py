"""A pytest plugin that counts the checks really run in a notebook, by cell id.

nbval alone can be passed vacuously: by deleting a check cell, tagging it, or redefining `check`. This plugin
adds one last item, `checks`, to each notebook of the workbook. Every pytest run that has the package
installed loads it, so it imports nothing until nbval is asked for.

Section:
    All sections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Start counting when nbval is in use."""
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        from lab_support.grading.nbval_items import CheckCounter

        config.pluginmanager.register(CheckCounter(config.rootpath), "lab_support_check_counter")
