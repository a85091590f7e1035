"""A student's code in a process of its own, and the judge's way to it: JSON lines over one socket, and nothing else.

Section:
    All sections; class grading.
"""
