# Every target prepares .venv itself and skips that when nothing it depends on has changed.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -q -c constraints.txt
INPUTS := setup.py pyproject.toml constraints.txt
PEERS := samplefactory puffer sb3 rllib
PEER_VENVS := .venv-peers

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help train test test-slow check docs bench bench-peers learn clean

help:
	@echo "make train      train IMPALA on CartPole; make train ARGS='experiment=NAME key=value' for anything else"
	@echo "make test       run the quick tests, as CI does"
	@echo "make test-slow  run the tests that train for minutes"
	@echo "make check      lint, format, types, layers, documentation, quick tests"
	@echo "make docs       build the documentation in site/"
	@echo "make bench      measure the throughput"
	@echo "make bench-peers  measure it beside other systems, each in a virtual environment of its own"
	@echo "make learn      train every recipe with several seeds and write docs/learning.md; many hours"
	@echo "make clean      remove .venv, caches and builds; runs are kept"

train: $(VENV)/core.stamp
	$(BIN)/hsuanwu-train experiment=impala_cartpole $(ARGS)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -m slow --timeout 3600

check: $(VENV)/dev.stamp docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

# No --quiet: with it, mkdocs counts no warnings and --strict lets them pass.
docs: $(VENV)/docs.stamp
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/atari.stamp
	$(BIN)/python benchmarks/throughput.py $(ARGS)

bench-peers: $(VENV)/atari.stamp $(PEERS:%=$(PEER_VENVS)/%.stamp)
	$(BIN)/python benchmarks/peers.py $(ARGS)

learn: $(VENV)/tasks.stamp
	$(BIN)/python benchmarks/learn.py $(ARGS)

clean:
	rm -rf $(VENV) $(PEER_VENVS) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch goes first and alone: it is the largest, and what follows must accept the pinned one.
$(VENV)/core.stamp: $(INPUTS)
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed; install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1); Hsuanwu needs Python 3.10 or newer; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Preparing $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing torch (the first time takes minutes)"
	@$(INSTALL) torch
	@echo "Installing Hsuanwu"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/core.stamp
	@echo "Installing what the tests need"
	@$(INSTALL) -e ".[dev]"
	@touch $@

$(VENV)/docs.stamp: $(VENV)/core.stamp
	@echo "Installing what the documentation needs"
	@$(INSTALL) -e ".[docs]"
	@touch $@

$(VENV)/atari.stamp: $(VENV)/core.stamp
	@echo "Installing the Atari games"
	@$(INSTALL) -e ".[atari]"
	@touch $@

$(VENV)/tasks.stamp: $(VENV)/core.stamp
	@echo "Installing the environments of all recipes"
	@$(INSTALL) -e ".[atari,box2d,dmc,minatar,minigrid]"
	@touch $@

# A peer that cannot be installed is a line of the table, so this succeeds either way; the stamp tells which.
# What a peer needs is pinned one by one: some ask for less than they need, or for what they never use.
$(PEER_VENVS)/%.stamp: benchmarks/peer/%.txt benchmarks/peer/install/sitecustomize.py constraints.txt
	@echo "Installing $* in $(PEER_VENVS)/$* (takes minutes)"
	@rm -rf $@ $(PEER_VENVS)/$* && mkdir -p $(PEER_VENVS)
	@{ $(PYTHON) -m venv $(PEER_VENVS)/$* && \
	   $(PEER_VENVS)/$*/bin/pip install -c $< torch numpy setuptools wheel && \
	   PYTHONPATH="$(CURDIR)/benchmarks/peer/install" $(PEER_VENVS)/$*/bin/pip install --no-deps --no-build-isolation -r $<; \
	 } >$(PEER_VENVS)/$*.log 2>&1 && touch $@ || echo "warning: $* is not installed; $(PEER_VENVS)/$*.log says why"
