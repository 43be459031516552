# `make help` lists the targets. Everything runs in .venv; nothing else is installed.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ifndef SEED  # drawn once: what is printed is what is used
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
# Tests start hundreds of processes, and each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
ROUNDS ?= 20
PART ?= all
CAMPAIGN ?= --crashes 600 --events 10000000 --long-outage 600 --report build/faults.json
SCENARIOS := tests/scenarios tests/faults
WITHOUT_SERVERS := not kafka and not clickhouse and not postgres and not slow

.DEFAULT_GOAL := help
.PHONY: help setup up down demo test test-scenarios test-others test-timed check lint bench bench-ingest bench-produce bench-streams bench-index \
	bench-storage bench-sink bench-path bench-reads bench-scaling bench-client bench-rating bench-subscriptions bench-entitlements bench-full \
	bench-tables proof lock \
	proof-all proof-scenarios proof-crashes proof-rebalances proof-fuzz \
	proof-keys proof-ingest proof-overload proof-rating proof-routes

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything, by hash; instant when nothing changed

$(STAMP): requirements.lock requirements-bootstrap.lock pyproject.toml sdk/python/pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed (or name one: make setup PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-bootstrap.lock
	@echo "Installing from requirements.lock"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock \
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

# Two at a time, each with servers of its own: scenarios mostly wait. What says how long something
# takes comes after them, alone.
test: lint ## The whole suite, servers included; what CI runs
	@echo "seed: $(SEED) (repeat with: make test SEED=$(SEED)); each half prints when it has ended"
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target SEED=$(SEED) \
		test-scenarios test-others
	@$(MAKE) --no-print-directory SEED=$(SEED) test-timed

test-scenarios: setup  # processes that die, servers that are away
	$(BIN)/pytest -m "not timed" --seed $(SEED) $(SCENARIOS)

test-others: setup
	$(BIN)/pytest -m "not timed" --seed $(SEED) $(SCENARIOS:%=--ignore=%)

test-timed: setup
	$(BIN)/pytest -m timed --seed $(SEED)
	cd sdk/python && ../../$(BIN)/pytest

bench: bench-ingest bench-produce bench-client bench-streams bench-index bench-storage bench-sink bench-path \
	bench-reads bench-scaling bench-rating bench-subscriptions bench-entitlements ## Every benchmark at a tenth of its size, beside its baseline

bench-ingest: setup ## Events per second of one core of ingest
	@$(BIN)/python -m benchmarks.bench_ingest

bench-produce: setup ## The way into Kafka beside one produce() an event and Kafka's own test
	@$(BIN)/python -m benchmarks.bench_produce

bench-streams: setup ## Events per second through the stream stage
	@$(BIN)/python -m benchmarks.bench_streams

bench-index: setup ## The dedupe index beside a Python set and RocksDB
	@$(BIN)/python -m benchmarks.bench_index

bench-storage: setup ## Bytes and rows per event; the speed of back-fill and roll-up
	@$(BIN)/python -m benchmarks.bench_storage

bench-sink: setup ## Rows over HTTP beside INSERT ... SELECT inside ClickHouse
	@$(BIN)/python -m benchmarks.bench_sink

bench-path: setup ## Events per second from HTTP requests to answers of ClickHouse
	@$(BIN)/python -m benchmarks.bench_path

bench-reads: setup ## A month's usage beside a scan of the raw events
	@$(BIN)/python -m benchmarks.bench_reads

bench-scaling: setup ## One, two and four workers, drawn into docs/images/scaling.svg
	@$(BIN)/python -m benchmarks.bench_scaling

bench-client: setup ## What recording an event costs the caller of the Python client
	@$(BIN)/python -m benchmarks.bench_client

bench-rating: setup ## Lines rated per second by each price model beside a Decimal loop
	@$(BIN)/python -m benchmarks.bench_rating

bench-subscriptions: setup ## Due periods claimed, subscriptions created over HTTP, per second
	@$(BIN)/python -m benchmarks.bench_subscriptions

bench-entitlements: setup ## Checks of what customers may use, warm and cold
	@$(BIN)/python -m benchmarks.bench_entitlements

bench-full: setup ## Every benchmark at its stated size
	@$(BIN)/python -m benchmarks.bench_streams --full
	@$(BIN)/python -m benchmarks.bench_index --full
	@$(BIN)/python -m benchmarks.bench_storage
	@$(BIN)/python -m benchmarks.bench_sink --full
	@$(BIN)/python -m benchmarks.bench_path --full
	@$(BIN)/python -m benchmarks.bench_reads --full
	@$(BIN)/python -m benchmarks.bench_scaling --full
	@$(BIN)/python -m benchmarks.bench_client --full
	@$(BIN)/python -m benchmarks.bench_rating --full
	@$(BIN)/python -m benchmarks.bench_subscriptions --full
	@$(BIN)/python -m benchmarks.bench_entitlements

bench-tables: setup ## The figures of the last runs, as Markdown
	@$(BIN)/python -m benchmarks.tables

proof: setup proof-$(PART) ## Campaigns, hours; PART=scenarios|crashes|rebalances|fuzz|keys|ingest|overload|rating|routes or tests/...

proof-all: proof-scenarios proof-crashes proof-rebalances proof-fuzz proof-keys proof-ingest \
	proof-overload proof-rating proof-routes
proof-scenarios: proof-tests/scenarios

proof-crashes:
	@mkdir -p build
	@$(BIN)/python -m tests.faults.campaign --seed $(SEED) $(CAMPAIGN)

proof-rebalances:
	@TOLLBOOK_REBALANCE_SECONDS=300 $(BIN)/pytest -q tests/faults/test_rebalances.py --seed $(SEED)

proof-fuzz:
	@TOLLBOOK_FUZZ_RECORDS=1000000 $(BIN)/pytest -q tests/faults/test_fuzz.py --seed $(SEED)

proof-ingest:
	@TOLLBOOK_INGEST_CRASHES=40 TOLLBOOK_INGEST_FUZZ_REQUESTS=1000000 $(BIN)/pytest -q \
		tests/faults/test_ingest_crashes.py tests/faults/test_ingest_fuzz.py --seed $(SEED)

proof-keys:
	@$(BIN)/python -m tests.streams.index.many_keys --folder build/keys

proof-overload:
	@$(BIN)/python -m tests.ingest.neighbours
	@$(BIN)/python -m tests.faults.overload --seconds 60

proof-rating:
	@$(BIN)/pytest -q tests/rating/prices tests/rating/test_around.py --rating-cases 10000 \
		--durations 40 --seed $(SEED)

proof-routes:
	@TOLLBOOK_ROUTE_CASES=500 $(BIN)/pytest -q tests/api/test_every_route.py \
		tests/api/test_every_sending_route.py --durations 20 --seed $(SEED)

proof-tests/%:
	@for round in $$(seq $(ROUNDS)); do \
		echo "round $$round of $(ROUNDS)"; \
		$(BIN)/pytest -q tests/$* || exit 1; \
	done

lock: setup ## Resolve the dependencies afresh, those of other products' clients too
	@$(BIN)/uv pip compile --quiet pyproject.toml --group local --group dev --generate-hashes \
		--no-header --no-annotate --python-version 3.11 --universal --upgrade \
		-o requirements.lock
	@$(BIN)/uv pip compile --quiet tests/compat/clients.in --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --universal --upgrade -o tests/compat/clients.lock
