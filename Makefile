# One entry for everything. The first use of a target sets up .venv; whatever needs a cluster gets its programs
# first (tests/harness/binaries.py).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Compiled modules make the operator start in a third of the time.
unexport PYTHONDONTWRITEBYTECODE
# No virtual environment but our own, and no module path but our own.
unexport VIRTUAL_ENV PYTHONHOME
export PYTHONPATH := operator:.

READY := .venv/.ready
PYTHON := .venv/bin/python
TESTED := tests/harness tests/tools/supply.py tests/conftest.py operator/image.py $(filter-out tests/bypass/test_% tests/bypass/conftest.py,$(wildcard tests/bypass/*.py)) tests/bypass/cases
# A file stays with one worker, for clusters of its own start once; in order, for the last ones are short.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
ARGS ?=

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(READY) programs ## play the whole story on a development cluster, narrated
	@$(PYTHON) -m tests.demo $(ARGS)

.PHONY: test
test: $(READY) test-programs ## run the tests, but for the slow ones (ARGS="-k name" picks)
	@$(PYTHON) -m pytest $(WORKERS) -m "not slow and not e2e" $(ARGS)

.PHONY: test-all
test-all: $(READY) test-programs ## run every test that needs no node
	@$(PYTHON) -m pytest $(WORKERS) -m "not e2e" $(ARGS)

.PHONY: e2e
e2e: $(READY) ## install and run it on real nodes: kind, or one of our own, as root (PEERGATE_E2E=kind|node)
	@$(PYTHON) -m tests.harness.node.prepare
	@$(PYTHON) -m pytest -m e2e tests/e2e $(ARGS)

.PHONY: e2e-missing
e2e-missing: $(READY)
	@$(PYTHON) -m tests.harness.node.prepare --missing

.PHONY: lint
lint: $(READY) ## check format, rules, types and the direction of imports
	@.venv/bin/ruff format --check --quiet . || { echo "error: not formatted; .venv/bin/ruff format . mends it" >&2; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@MYPYPATH=.:operator .venv/bin/mypy --explicit-package-bases $(TESTED)
	@.venv/bin/lint-imports

.PHONY: bypass
bypass: $(READY) programs ## try every way around a gate (KUBECONFIG_AGENT=... KUBECONFIG_ADMIN=..., or a new cluster)
	@$(PYTHON) -m tests.bypass $(if $(KUBECONFIG_AGENT),--agent $(KUBECONFIG_AGENT)) $(if $(KUBECONFIG_ADMIN),--admin $(KUBECONFIG_ADMIN)) $(ARGS)

.PHONY: bench
bench: $(READY) programs ## measure latency, throughput and memory
	@$(PYTHON) -m tests.perf.bench $(ARGS)

.PHONY: generate
generate: $(READY) ## write the generated files anew
	@$(PYTHON) -m tests.tools.generate

.PHONY: verify
verify: $(READY) ## fail if a generated file is not what would be written
	@$(PYTHON) -m tests.tools.generate --check

.PHONY: up
up: $(READY) programs ## leave a development cluster running, Peergate in front of it, its files in .dev/
	@$(PYTHON) -m tests.harness.dev up

.PHONY: down
down: $(READY) ## stop it and remove .dev/
	@$(PYTHON) -m tests.harness.dev down

.PHONY: setup
setup: $(READY) ## make .venv from the locked dependencies

.PHONY: clean
clean: ## stop the development cluster; remove .venv and what tools left (the cache of programs stays)
	@if [ -e .dev ] && [ -e $(READY) ]; then $(PYTHON) -m tests.harness.dev down; fi
	@rm -rf .venv .dev build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find operator tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: programs
programs: $(READY)
	@$(PYTHON) -m tests.harness.binaries > /dev/null

.PHONY: test-programs
test-programs: $(READY)
	@$(PYTHON) -m tests.harness.binaries --chart > /dev/null

$(READY): tests/requirements.lock pyproject.toml
	@tests/harness/setup.sh
