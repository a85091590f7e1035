# Two commands matter: `make lab` (students) and `make test` (everyone who changes something).
# Every path is relative, so the folder may have spaces and accents in its name.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help lab test bench torture fix clean

PORT ?= 8888
BROWSER ?= 1
PYTHON ?=
export PYTHON

help: ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

lab: ## set up on the first call, then open the workbook in JupyterLab (PORT=8888 BROWSER=1)
	@sh scripts/environment.sh lab
	@PORT="$(PORT)" BROWSER="$(BROWSER)" sh scripts/jupyterlab.sh

test: ## style, types, layers, tests, notebooks: all that must hold before a commit
	@sh scripts/environment.sh test
	@sh scripts/test.sh

bench: ## print the ratios that keep the code honest about speed
	@sh scripts/environment.sh test
	@.venv/bin/python -m benchmarks

torture: ## the long searches that `make test` leaves out
	@sh scripts/environment.sh test
	@sh scripts/torture.sh

fix: ## mend what ruff can mend, and format
	@sh scripts/environment.sh test
	@.venv/bin/python -m ruff check --fix .
	@.venv/bin/python -m ruff format .

clean: ## remove the environment and caches; never work/ or .lab/ (the student's own)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	@find . -path ./.lab -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
