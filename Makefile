# Everything a contributor types. The virtual environment is made on first use: any Python from 3.11 on will do,
# uv is used where it is installed, plain pip elsewhere.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Where it is set, each process compiles all that it imports anew, and each of pytest's rewrites all tests
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
BIN := .venv/bin
UV := $(shell command -v uv)
ifdef UV
MAKE_VENV := $(UV) venv --quiet --seed --python $(PYTHON)
INSTALL := VIRTUAL_ENV=.venv $(UV) pip install --quiet
else
MAKE_VENV := $(PYTHON) -m venv
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
endif

# Three on two cores: much of the time is waiting for servers that are frozen, killed or slow on purpose. Whole hubs
# keep a core busy each.
PROCESSES ?= 3
HUBS ?= 2
PARALLEL := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
NEEDS_MORE := kafka or browser or outside or slow

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/project ## a hub, stations and a partner on this machine, with a live page in the browser
	$(BIN)/roaming demo

.PHONY: test
test: ## every check and every test, on a real PostgreSQL and a real Kafka
	$(MAKE) test-most
	$(BEFORE_THE_END)
	$(MAKE) test-end

.PHONY: test-most
test-most: lint ## the same without the end-to-end tests
	$(BIN)/pytest $(PARALLEL) --durations=60 -p tests.matrix.ocpp_exchanges --ignore=tests/e2e tests

.PHONY: test-end
test-end: .venv/project ## the end-to-end tests: whole hubs, with stations and partners that are not ours
	$(BIN)/pytest -n $(HUBS) --dist load --durations=15 tests/e2e

.PHONY: test-fast
test-fast: .venv/project ## tests that need neither Kafka, a browser, nor foreign programs, and are quick
	$(BIN)/pytest $(PARALLEL) --ignore=tests/e2e -m "not ($(NEEDS_MORE))" tests

.PHONY: bench
bench: .venv/project ## measure the hot paths, each beside its limit
	if command -v cargo > /dev/null; then tests/judges/build timed; else echo "no cargo here: no other pricing engines"; fi
	$(BIN)/python -m tests.bench

.PHONY: soak
soak: .venv/project ## kill processes and servers 200 times under load; about a quarter of an hour
	ROAMING_KILLS=200 $(BIN)/pytest -s tests/e2e/test_kills.py

.PHONY: waves
waves: .venv/project ## a firmware update of 200 stations, of which a tenth fails, with every process killed; some three minutes
	ROAMING_WAVE_STATIONS=200 ROAMING_WAVE_SHAPES=embedded,scaled $(BIN)/pytest -s tests/e2e/test_waves.py

.PHONY: fuzz
fuzz: .venv/project ## 100,000 spoilt requests on all routes, and thirty by schemathesis for each; about a quarter of an hour
	ROAMING_FUZZ=100000 $(BIN)/pytest -s tests/roaming/test_fuzz.py
	ROAMING_EXAMPLES=30 $(BIN)/pytest --timeout=3600 tests/roaming/test_openapi_contract.py

.PHONY: fuzz-ocpp
fuzz-ocpp: .venv/project ## 100,000 broken frames of stations in each version of OCPP, and a tenth of it over sockets; some five minutes
	set -e; for version in ocpp1.6 ocpp2.0.1 ocpp2.1; do \
		ROAMING_FUZZ=100000 $(BIN)/pytest -s --timeout=3600 -k $$version tests/adapters/ocpp/test_fuzz.py; done

.PHONY: matrix-ocpi
matrix-ocpi: .venv/project ## which test proves each module, version, role and side of OCPI; fails when one has none, or an endpoint no answer
	$(BIN)/pytest -q $(PARALLEL) -p tests.matrix.collecting -m ocpi_cell tests/roaming

.PHONY: matrix-ocpp
matrix-ocpp: .venv/project ## which test proves each message, version and direction of OCPP; fails when one has none and no stated reason
	$(BIN)/pytest -q $(PARALLEL) -p tests.matrix.ocpp_exchanges --whole-table -m ocpp_exchange tests/adapters/ocpp

.PHONY: lint
lint: .venv/project ## style, types, import rules, stale contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.export --check
	$(BIN)/python -m tests.openapi --check

.PHONY: openapi
openapi: .venv/project ## write the OpenAPI documents of the OCPI interfaces anew: contracts/api/ocpi-*.json
	$(BIN)/python -m tests.openapi

.PHONY: fmt
fmt: .venv/project ## format, and mend what can be mended by a machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url pyproject.toml

.PHONY: constraints
constraints: ## pin every dependency anew, with hashes: constraints.txt, and deploy/requirements.txt without tools
	@command -v uv > /dev/null || { echo "make constraints needs uv"; exit 1; }
	$(COMPILE) --upgrade --extra dev --output-file constraints.txt
	$(COMPILE) --constraint constraints.txt --extra exports --extra invoices --output-file deploy/requirements.txt

.PHONY: examples
examples: .venv/project ## write the lists of all settings in deploy/ anew
	$(BIN)/python -m tests.architecture.settings_examples

.PHONY: clean
clean: ## remove the environment, caches and build output; keeps data (.roaming) and foreign programs (.tools)
	rm -rf .venv dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.tools -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/requirements: constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 on was found; name one: make PYTHON=/path/to/python3 ..."; exit 1; }
	@test -x $(BIN)/python || $(MAKE_VENV) .venv
	@echo "installing what constraints.txt names into .venv"
	@$(INSTALL) --require-hashes -r constraints.txt
	@touch $@

.venv/project: .venv/requirements pyproject.toml
	@$(INSTALL) --no-deps -e .
	@touch $@
