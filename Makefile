# rdtd: the targets for users and for work on it. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# More workers than this only make a small machine slower.
WORKERS ?= 2

.PHONY: help demo run test check bench format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(READY) ## set everything up and show rdtd's main job on a simulated host
	@$(BIN)/python -m tests.demo

run: $(READY) ## run the daemon in the foreground, on a simulated host and a private bus
	@$(BIN)/python -m tests.support.foreground

test: check ## set everything up, then check and test all of it
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

check: $(READY) ## linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## measure rdtd against C on the same bus and the same mount; prints ratios
	@$(BIN)/python -m bench

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built and set up
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# What the project needs is installed again when it changes.
$(READY): pyproject.toml packaging/set-up
	PYTHON=$(PYTHON) packaging/set-up
	@touch $@
