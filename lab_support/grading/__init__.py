"""Submissions run and judged outside the notebook: the notebook runner and the nbval plugin (instructors).

May import `workbook` and everything below it.
"""
