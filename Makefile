# rdtd: the targets for users and for work on it. `make help` lists them.

PYTHON ?= python3
# Where packages go.
BUILD ?= build
# For packaging/install; what is not given has a default there.
export BUILD DESTDIR PREFIX SYSCONFDIR DBUSDIR POLKITDIR UNITDIR ZSHDIR

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# More workers than this only make a small machine slower.
WORKERS ?= 2

.PHONY: help demo run test check soak fuzz load test-crash bench vm test-kernel test-kernel-quick bench-kernel install deb rpm wheel format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

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

test-crash: $(READY) ## kill rdtd before each of its system calls, and let each of them fail
	RDTD_CRASH_EVERY=1 $(BIN)/python -m pytest -q -n $(WORKERS) --timeout 3600 tests/crash

# `make fuzz FUZZ="--seconds 600 message wire"`; what is found stays in the work directory that it names.
fuzz: $(READY) ## look for inputs that break what reads them, guided by coverage
	@$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/python -m pip install --quiet -e ".[fuzz]"
	@$(BIN)/python -m tests.fuzz $(FUZZ)

load: $(READY) ## a thousand clients, bursts, floods: what they do to rdtd
	@$(BIN)/python -m tests.load

# `make soak SOAK="--operations 10000 --seed 7"`; the same seed is the same soak.
soak: $(READY) ## a million mixed operations with everything going wrong that can
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.soak $(SOAK)

bench: $(READY) ## measure rdtd against C on the same bus and the same mount; prints ratios
	@$(BIN)/python -m bench

vm: ## open a shell in a guest with a real kernel's resctrl and rdtd running
	@$(PYTHON) -m tests.vm shell

test-kernel: ## test on real kernels, on every CPU that tests/vm emulates; prints a table
	@$(PYTHON) -m tests.vm matrix

test-kernel-quick: ## the same with two guests
	@$(PYTHON) -m tests.vm matrix --quick

bench-kernel: ## measure rdtd on a real kernel against bare files, pqos and rdtctl; prints ratios
	@$(PYTHON) -m bench.kernel

install: ## install rdtd; DESTDIR=, PREFIX= and the others of packaging/install
	@packaging/install

deb: ## build a Debian package into BUILD
	@packaging/make-deb

rpm: ## build an RPM into BUILD
	@packaging/make-rpm

wheel: $(READY) ## build a wheel into BUILD: the programs alone, without units and policies
	@PYTHON=$(BIN)/python packaging/make-wheel

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built and set up
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# What the project needs is installed again when it changes.
$(READY): pyproject.toml packaging/set-up
	PYTHON=$(PYTHON) packaging/set-up
	@touch $@
