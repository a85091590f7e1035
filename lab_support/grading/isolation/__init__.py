"""The limited child process in which a student's code runs when a class is graded (instructors; all sections).

May import `exercises` and everything below it. Nothing here knows of verdicts.
"""
