# Everything runs in a virtual environment inside this checkout; nothing else of the machine is touched.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench chaos gpu sheet clean

help:    ## Show what can be made
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/' | expand -t 10

setup: .venv/.installed  ## Make the virtual environment with everything in it

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[farm,dev]'
	@touch $@

demo: setup  ## Start a farm, preview, print, and leave everything in out/demo
	$(BIN)/farm demo

test: setup  ## Run all tests
	$(BIN)/python -m pytest

check: setup  ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## Measure this machine: engine, preview, queue, routing
	$(BIN)/farm bench all

chaos: setup  ## Kill things and see that nothing is lost (hours; see docs/chaos.md)
	$(BIN)/python -m pytest -m chaos

gpu: setup  ## Tests and engine benchmark on an accelerator
	$(BIN)/python -m pytest -m gpu
	$(BIN)/farm bench engine

sheet: setup  ## Print every option side by side into docs/print-options.jpg
	$(BIN)/farm compare jobs/print-options.yaml -o docs/print-options.jpg

clean:  ## Remove the environment and what was made
	rm -rf .venv out .mypy_cache .pytest_cache .ruff_cache .hypothesis
