# make demo: the main job on embedded servers.  make test: everything that must hold.  `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_WORKERS ?= 2

.PHONY: help demo test packages check types lint generated unit bench test-crash completions man knowledge pictures clean

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.demo  ## run the main job on embedded servers: no account, no set-up
	@$(BIN)/mailctl demo

test: packages check unit  ## set everything up and run every check and test

packages:        ## what the tests need from the system's packages (as root, or by sudo)
	@tests/setup/packages

check: lint types generated  ## what can be said without running the program

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

generated: $(VENV)/.dev
	$(BIN)/python -m tools.completions --check
	$(BIN)/python -m tools.manpage --check
	$(BIN)/python -m tools.knowledge --check

unit: $(VENV)/.dev
	$(BIN)/pytest -q -n $(PYTEST_WORKERS) --dist loadfile

test-crash: packages $(VENV)/.dev  ## the crash tests at full length: 1,000 kills, 1,000 cuts, 1,000 histories
	MAILCTL_CRASH_KILLS=1000 MAILCTL_CRASH_CUTS=1000 MAILCTL_HISTORIES=1000 \
	$(BIN)/pytest -q -n $(PYTEST_WORKERS) tests/crash tests/model

bench: packages $(VENV)/.dev  ## cold start, and sync beside its peers, as ratios measured side by side (BENCH: options)
	$(BIN)/python -m tests.bench.startup
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.sync $(BENCH)

completions: $(VENV)/.dev  ## make completions/ anew from the command tree
	$(BIN)/python -m tools.completions

man: $(VENV)/.dev  ## make man/mailctl.1 anew from the command tree
	$(BIN)/python -m tools.manpage

knowledge: $(VENV)/.dev  ## make diagnosis/knowledge.json anew from the TOML files beside it
	$(BIN)/python -m tools.knowledge

pictures: $(VENV)/.dev  ## make the README's pictures anew from a run of the demo
	$(BIN)/python -m tools.pictures

clean:           ## remove what was set up here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo
