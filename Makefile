# Every command of the project; `make help` lists them. Each sets up what it needs by itself.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

VENV ?= .venv
HOPSWORKS_VENV := .venv-hopsworks
PREFECT_VENV := .venv-prefect
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3 || echo python3)
BIN := $(VENV)/bin
# A module of Python that Ctrl-C ends without a traceback, whenever it comes.
MODULE := -c 'import runpy, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); \
	runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)'
PIP := $(BIN)/python $(MODULE) pip --quiet --disable-pip-version-check

# What a user gives travels by the environment only, never through a recipe's text: taken as it is
# (make expands nothing in it), exported, and quoted where a recipe's shell uses it.
GIVEN := from_day to_day FROM_DAY TO_DAY topic from raw service ARGS FEATURE_STORE FAULT_RUNS FAULT_SEED ONLY RUNS QUICK
define as_given
override $(1) := $$(value $(1))
export $(1)
endef
$(foreach name,$(GIVEN),$(if $(filter-out undefined,$(origin $(name))),$(eval $(call as_given,$(name)))))

DAYS := FROM_DAY="$${from_day:-$$FROM_DAY}" TO_DAY="$${to_day:-$$TO_DAY}"
# pip's own progress on a terminal, nothing of it elsewhere.
QUIET := $(shell [ -t 1 ] || echo --quiet)
PIP_INSTALL := $(MODULE) pip --disable-pip-version-check $(QUIET) install --require-hashes

# --- run it on this machine, without Docker -------------------------------------------------------

# The pipeline follows make's end too, so that a killed make leaves nothing running.
LOCAL_STACK := exec $(BIN)/local-stack

.PHONY: demo
demo: $(VENV)/.run ## the whole pipeline on a simulated exchange: no Docker, account or internet
	@$(LOCAL_STACK) demo --stop-with-parent

.PHONY: run
run: $(VENV)/.run ## the same, live from the exchange
	@$(LOCAL_STACK) run --stop-with-parent

.PHONY: debug
debug: $(VENV)/.run ## live, with the feature store's rows on the screen (FEATURE_STORE=console)
	@$(LOCAL_STACK) debug --stop-with-parent

.PHONY: backfill
backfill: $(VENV)/.run ## history into the feature store: from_day=2023-08-01 [to_day=2023-09-01] make backfill
	@export $(DAYS); $(LOCAL_STACK) backfill --stop-with-parent

topic ?= ohlc

.PHONY: status
status: $(VENV)/.run ## what runs, where, how far behind, what is wrong
	@$(LOCAL_STACK) status

.PHONY: consume
consume: $(VENV)/.run ## the records of a topic: make consume topic=ohlc [from=end] [raw=1]
	@set --; [ "$$from" != end ] || set -- --from-end; [ -z "$$raw" ] || set -- "$$@" --raw; \
		$(LOCAL_STACK) consume "$$@" -- "$${topic:-ohlc}"

.PHONY: topics
topics: $(VENV)/.run ## the broker's topics, with or without Docker
	@$(BIN)/python -m local_stack.inspect_broker topics

.PHONY: lag
lag: $(VENV)/.run ## what each consumer group has not read yet
	@$(BIN)/python -m local_stack.inspect_broker lag

VERIFY_VENV := $(if $(filter hopsworks,$(FEATURE_STORE)),$(HOPSWORKS_VENV),$(VENV))

.PHONY: verify
verify: $(VERIFY_VENV)/.run ## candles in the store against candles recomputed from the exchange's history
	@export $(DAYS); exec $(VERIFY_VENV)/bin/python -m ohlc_backfill.verify

# --- test and check it -----------------------------------------------------------------------------

PYTEST = PYTEST_ADDOPTS="$$PYTEST_ADDOPTS $$ARGS" $(BIN)/python -m pytest -q

.PHONY: test
test: lint types hopsworks-client prefect-client ## all tests this machine can run, saying what it skipped and why
	@$(PYTEST) -n "$${TEST_PROCESSES:-2}" --dist loadfile

.PHONY: test-fast
test-fast: $(VENV)/.dev ## the tests that need no broker
	@$(PYTEST) tests/unit tests/property

.PHONY: fault-matrix
fault-matrix: $(VENV)/.dev ## the producer against 200 seeded runs of faults (FAULT_RUNS, FAULT_SEED)
	@FAULT_RUNS="$${FAULT_RUNS:-200}" FAULT_SEED="$${FAULT_SEED:-0}" \
		$(BIN)/python -m pytest -q -s tests/service/trade_producer/test_fault_matrix.py

.PHONY: chaos
chaos: $(VENV)/.dev ## the whole pipeline under seeded faults (CHAOS_SEEDS=0-9, docs/chaos.md)
	@cd tests && exec ../$(BIN)/python $(MODULE) chaos.run

.PHONY: fuzz
fuzz: $(VENV)/.dev ## hostile inputs to every decoder for FUZZ_SECONDS (60), counts per target
	@$(BIN)/python $(PIP_INSTALL) -r requirements/fuzz.txt || echo "atheris has no wheel for this machine"
	@cd tests && exec ../$(BIN)/python -m fuzz.run $$ARGS

.PHONY: lint
lint: $(VENV)/.dev ## ruff: rules and format; the direction of imports
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "make format would change files" >&2; exit 1; }
	@shown=$$(PYTHONPATH=libs:services:tools $(BIN)/lint-imports --no-cache 2>&1) || \
		{ echo "$$shown" >&2; exit 1; }

.PHONY: types
types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

.PHONY: format
format: $(VENV)/.dev ## let ruff format and fix
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format --quiet

# --- measure it -------------------------------------------------------------------------------------

VENV_BENCH := .venv-bench

.PHONY: bench
bench: $(VENV)/.dev $(VENV_BENCH)/.done ## the aggregator against its rivals, wall and CPU per trade
	@$(BIN)/python benchmarks/aggregator/run.py --bytewax $(VENV_BENCH)/bin/python $$ARGS

.PHONY: bench-latency
bench-latency: $(VENV)/.dev ## from the trade that closes a window to its candle, in ms
	@$(BIN)/python benchmarks/aggregator/latency.py $$ARGS

.PHONY: bench-producer
bench-producer: $(VENV)/.dev ## the producer against its bare parts, and 5,000 trades/s for a minute
	@$(BIN)/python benchmarks/producer.py $$ARGS

.PHONY: bench-restart
bench-restart: $(VENV)/.dev ## from a service's SIGKILL to the next candle in the store, in s
	@$(BIN)/python benchmarks/restart.py $(ARGS)

.PHONY: bench-freshness
bench-freshness: $(VENV)/.dev ## how soon rows are in the store, and where the time goes, in ms
	@$(BIN)/python benchmarks/freshness.py $(ARGS)

.PHONY: bench-load
bench-load: $(VENV)/.dev ## the highest live rate at which rows stay fresh, and what is full first
	@exec $(BIN)/python $(MODULE) benchmarks.load $$ARGS

.PHONY: soak
soak: $(VENV)/.dev ## days of event time through the live pipeline; fails when something grows that must not
	@exec $(BIN)/python $(MODULE) benchmarks.soak $$ARGS

.PHONY: bench-features
bench-features: $(VENV)/.dev ## what feature groups cost: live, backfill, build, vector
	@$(BIN)/python benchmarks/features.py $$ARGS

.PHONY: bench-online
bench-online: $(VENV)/.dev ## reading the newest rows from Redis while a writer writes, in ms
	@$(BIN)/python benchmarks/online.py $$ARGS

.PHONY: claims
claims: $(VENV)/.dev ## measure every figure the documents state, into docs/claims.md [ONLY=name] [RUNS=3] [QUICK=1]
	@exec $(BIN)/python -m benchmarks.claims

# Rivals have dependencies of their own, which must not meet ours.
$(VENV_BENCH)/.done: requirements/bench.txt
	@echo "installing the rivals into $(VENV_BENCH) ..."
	@$(PYTHON) -m venv $(VENV_BENCH)
	@$(VENV_BENCH)/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes \
		-r requirements/bench.txt
	@touch $@

# --- set it up and develop it ------------------------------------------------------------------------

OFFLINE := echo "the packages could not be installed, see above; the first run needs the internet or" \
	"a package index (PIP_INDEX_URL)" >&2

.PHONY: init
init: $(VENV)/.run ## only set up what running needs

.PHONY: install
install: $(VENV)/.dev ## the virtual environment with everything for development

# What runs: the locked dependencies of the services and the local stack.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "step 1 of 2: the services' libraries into $(VENV) (downloads about 180 MB, once)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements/run.txt || { $(OFFLINE); exit 1; }
	@echo "step 2 of 2: this project into $(VENV) (no download)"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) install --no-deps --no-build-isolation --editable tools
	@touch $@

# What tests: the same and the tools.
$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "the development tools into $(VENV) (downloads about 60 MB, once)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements/dev.txt || { $(OFFLINE); exit 1; }
	@touch $@

# The Hopsworks client pins older releases of what the rest uses: an environment of its own.
.PHONY: hopsworks-client
hopsworks-client: $(HOPSWORKS_VENV)/.run ## writer, reader and make verify with the Hopsworks client, in .venv-hopsworks

$(HOPSWORKS_VENV)/.run: requirements/hopsworks.txt pyproject.toml | $(VENV)/bin/python
	@echo "the Hopsworks client into $(HOPSWORKS_VENV) (downloads about 220 MB, once)"
	@$(VENV)/bin/python -m venv $(HOPSWORKS_VENV)
	@$(HOPSWORKS_VENV)/bin/python $(PIP_INSTALL) -r requirements/hopsworks.txt || { $(OFFLINE); exit 1; }
	@$(HOPSWORKS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@

# Prefect's dependencies are its own; the flow calls the commands of the other environment.
.PHONY: prefect-client
prefect-client: $(PREFECT_VENV)/.run ## Prefect for examples/prefect_backfill.py, in .venv-prefect

$(PREFECT_VENV)/.run: requirements/prefect.txt | $(VENV)/bin/python
	@echo "Prefect into $(PREFECT_VENV) (downloads about 60 MB, once)"
	@$(VENV)/bin/python -m venv $(PREFECT_VENV)
	@$(PREFECT_VENV)/bin/python $(PIP_INSTALL) -r requirements/prefect.txt || { $(OFFLINE); exit 1; }
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is" \
			"$$($(PYTHON) --version 2>&1 || true); set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) $(MODULE) venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) could not make a virtual environment;" \
			"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.PHONY: lock
lock: $(BIN)/uv ## lock every dependency with hashes, images included (UPGRADE=1: the newest of all)
	@requirements/lock.sh

$(BIN)/uv: | $(VENV)/bin/python
	@$(PIP) install uv==0.13.9

.PHONY: settings
settings: $(VENV)/.run ## write .env.example and the documents that come from the code
	@$(BIN)/python -m local_stack.env_example
	@$(BIN)/python -m local_stack.settings_table
	@$(BIN)/python -m local_stack.reference_docs

.PHONY: screenshots
screenshots: $(VENV)/.dev ## the README's pictures of the dashboard, of a demo that runs for them
	@$(BIN)/python -m local_stack.screenshots

.PHONY: licences
licences: $(VENV)/.run ## write THIRD_PARTY.md, the licences of what running installs
	@$(BIN)/python requirements/licences.py

VENV_DOCS := .venv-docs
$(VENV_DOCS)/.done: requirements/docs.txt | $(VENV)/bin/python
	@$(VENV)/bin/python -m venv $(VENV_DOCS)
	@$(VENV_DOCS)/bin/python $(PIP_INSTALL) -r $<
	@touch $@

# Not --quiet: it hides warnings from --strict too.
MKDOCS := $(VENV_DOCS)/bin/python -m mkdocs
docs docs-serve: export NO_MKDOCS_2_WARNING := 1

.PHONY: docs
docs: $(VENV_DOCS)/.done ## the documents as a site, in build/site; fails on a broken link
	@$(MKDOCS) build --strict
	@echo "build/site/index.html"

.PHONY: docs-serve
docs-serve: $(VENV_DOCS)/.done ## the same while you edit, at http://127.0.0.1:8000
	@exec $(MKDOCS) serve --strict

# Its dependencies are its own, and must not meet ours.
VENV_SUPPLY := .venv-supply-chain
$(VENV_SUPPLY)/.done: requirements/supply-chain.txt | $(VENV)/bin/python
	@$(VENV)/bin/python -m venv $(VENV_SUPPLY)
	@$(VENV_SUPPLY)/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.PHONY: sbom
sbom: $(VENV)/.run $(VENV_SUPPLY)/.done ## what running installs as CycloneDX, in build/sbom.json
	@mkdir -p build
	@$(VENV_SUPPLY)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--of JSON -o build/sbom.json $(BIN)/python
	@echo "build/sbom.json"

.PHONY: wheel
wheel: $(VENV)/.dev $(BIN)/uv ## the product's wheel, without tools and tests, in build/dist
	@rm -rf build/dist && $(PIP) wheel --no-deps --no-build-isolation --wheel-dir build/dist .
	@ls build/dist/*.whl

.PHONY: audit
audit: $(VENV_SUPPLY)/.done ## known vulnerabilities of what is locked; asks the internet
	@for lock in run hopsworks; do \
		$(VENV_SUPPLY)/bin/pip-audit --disable-pip --require-hashes -r requirements/$$lock.txt || exit 1; \
	done

.PHONY: clean
clean: ## remove what runs and tests leave; asks before data/ and the containers' volumes go
	@rm -rf run state build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find libs services tools tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@docker/clean.sh

.PHONY: help
help: ## this list
	@awk 'function out(t) { if (t != "") { printf "\n%s\n", t; title = "" } } \
		/^# --- / { title = $$0; gsub(/^# --- | -+$$/, "", title); title = toupper(substr(title, 1, 1)) substr(title, 2) ":" } \
		/^[a-z-]+:.*## / { out(title); name = $$0; sub(/:.*/, "", name); sub(/.*## /, ""); \
		printf "  %-16s %s\n", name, $$0 }' $(firstword $(MAKEFILE_LIST))

# --- run it in containers, with Docker -----------------------------------------------------------------

COMPOSE := docker compose
.PHONY: up
up: ## live in containers, in the background (docker compose up shows the logs instead)
	@$(COMPOSE) up --detach --build --wait --wait-timeout 180
	@$(COMPOSE) ps

.PHONY: down
down: ## stop the containers; data survives
	@$(COMPOSE) --profile '*' down --remove-orphans

.PHONY: logs
logs: ## follow the containers' logs: make logs [service=trade-producer]
	@$(COMPOSE) logs --follow --tail 100 $${service:+"$$service"}

.PHONY: features
features: ## what the containers' store holds: make features [ARGS="candles --format csv"] (latest)
	@$(COMPOSE) exec --no-TTY dashboard features $${ARGS:-latest}

.PHONY: ps
ps: ## the containers and their health
	@$(COMPOSE) ps --all

.PHONY: docker-backfill
docker-backfill: ## history in containers, beside live: from_day=2023-08-01 [to_day=...] make docker-backfill
	@export $(DAYS); exec docker/backfill.sh

.PHONY: test-compose
test-compose: $(VENV)/.dev ## run the compose files on a real engine, and hurt them
	@docker/test-compose.sh $$ARGS
