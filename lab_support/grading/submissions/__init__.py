"""Submissions: what a student handed in, brought into the lab as the package has it."""
