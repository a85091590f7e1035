"""`python -m lab_support.cli`: the `lab` command where its script is not on the path."""

from lab_support.cli.app import main

main()
