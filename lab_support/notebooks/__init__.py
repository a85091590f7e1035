"""Notebook files: read whatever a student hands in, find cells by id, write safely, put a lab's cells back.

Serves all sections. Imports no other room; `workbook`, `grading` and `authoring` may import it.
"""

from lab_support.notebooks.cells import Cell, CellName, Notebook, parse_cell_id
from lab_support.notebooks.finding import lab_of, labs_of, notebooks_below
from lab_support.notebooks.reading import NotebookError, read_notebook
from lab_support.notebooks.reset import Restored, restore_exercise, restore_whole
from lab_support.notebooks.writing import notebook_text, write_notebook

__all__ = [
    "Cell", "CellName", "Notebook", "NotebookError", "Restored", "lab_of", "labs_of", "notebook_text",
    "notebooks_below", "parse_cell_id", "read_notebook", "restore_exercise", "restore_whole", "write_notebook",
]  # fmt: skip
