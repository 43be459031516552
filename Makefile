# `make help` lists the targets. Everything runs in .venv; nothing else is installed.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
ROUNDS ?= 20
PART ?= tests/scenarios
WITHOUT_SERVERS := not kafka and not clickhouse and not postgres

.DEFAULT_GOAL := help
.PHONY: help setup up down demo test check lint bench bench-streams bench-full proof lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything, by hash; instant when nothing changed

$(STAMP): requirements.lock requirements-bootstrap.lock pyproject.toml sdk/python/pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed (or name one: make setup PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-bootstrap.lock
	@echo "Installing from requirements.lock"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock \
		|| { echo "uv could not; pip tries (this takes longer)"; \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock; }
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . -e sdk/python
	@touch $@

up: setup ## Start the local stack and bring its schemas up to date
	@$(BIN)/tollbook up

down: setup ## Stop the local stack; its data stays
	@$(BIN)/tollbook down

demo: setup ## A real trace in, two proven invoices out
	@$(BIN)/python -m benchmarks.demo

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd sdk/python && ../../$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## Format, lint, types, imports, and the tests that need no server (at most 90 s)
	$(BIN)/pytest -q -m "$(WITHOUT_SERVERS)" --seed $(SEED)
	cd sdk/python && ../../$(BIN)/pytest -q

test: lint ## The whole suite, servers included; what CI runs
	@echo "seed: $(SEED) (repeat with: make test SEED=$(SEED))"
	$(BIN)/pytest --seed $(SEED)
	cd sdk/python && ../../$(BIN)/pytest

bench: bench-streams ## Every benchmark at a tenth of its size, beside its baseline

bench-streams: setup ## Events per second through the stream stage
	@$(BIN)/python -m benchmarks.bench_streams

bench-full: setup ## Every benchmark at its stated size
	@$(BIN)/python -m benchmarks.bench_streams --full

proof: setup ## The scenarios ROUNDS times, a new seed each time; PART=tests/... runs one alone
	@for round in $$(seq $(ROUNDS)); do \
		echo "round $$round of $(ROUNDS)"; \
		$(BIN)/pytest -q $(PART) || exit 1; \
	done

lock: setup ## Resolve the dependencies afresh into requirements.lock
	@$(BIN)/uv pip compile --quiet pyproject.toml --group local --group dev --generate-hashes \
		--no-header --no-annotate --python-version 3.11 --universal --upgrade \
		-o requirements.lock
