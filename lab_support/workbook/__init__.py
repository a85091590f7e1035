"""What a notebook imports: start, check, hint, solution, progress, explain (all sections).

May import `exercises` and everything below it.
"""
