# Everything a newcomer needs: each target installs what it needs itself, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP_DEMO := $(VENV)/.installed-demo
STAMP_DEV := $(VENV)/.installed-dev
# Quix Streams wants older releases of libraries that we use: all contestants of `make bench` run on those, we else not.
VENV_BENCH := .venv-bench
STAMP_BENCH := $(VENV_BENCH)/.installed

.PHONY: help demo test lint fault fuzz bench growth same-decisions quality state schemas clean
help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

demo: $(STAMP_DEMO)  ## broker, workers, a sample feed, decisions to look at  [DATA=products.jsonl TAXONOMY=tree.txt]
	$(BIN)/shelfwise demo $(if $(DATA),--products "$(DATA)") $(if $(TAXONOMY),--taxonomy "$(TAXONOMY)")

test: $(STAMP_DEV) lint  ## lint, types, imports, all tests (integration and fault tests on a real Kafka)
	$(BIN)/pytest

lint: $(STAMP_DEV)  ## ruff, mypy --strict, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schemas: $(STAMP_DEV)  ## write the JSON Schema of every event to schemas/json
	$(BIN)/python -m schemas.json_schema schemas/json

fault: $(STAMP_DEV)  ## faults on a real Kafka, and an account of every event  [OUT=FILE.json EVENTS=200000 SHORT=1 SOAK_MINUTES=30 LOAD=0.7]
	nice $(BIN)/python -m tests.fault.harness --events $(or $(EVENTS),200000) $(if $(filter-out 0,$(SHORT)),--short) \
	  $(if $(filter-out 0,$(SOAK_MINUTES)),--soak-minutes $(SOAK_MINUTES) --load $(or $(LOAD),0.7)) $(if $(OUT),--out "$(OUT)")

fuzz: $(STAMP_DEV)  ## give every decoder and file reader inputs that are nearly right  [INPUTS=1000000 SEED=1 OUT=FILE.json]
	nice $(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),100000) --seed $(or $(SEED),1) $(if $(OUT),--out "$(OUT)")

bench: $(STAMP_BENCH)  ## throughput and latency on a real Kafka, beside the alternatives  [OUT=FILE.json SHORT=1 EVENTS=200000 ROUNDS=3 NODES=5595 CORES= BUNDLE= DATA=]
	$(VENV_BENCH)/bin/python -m tests.benchmarks.throughput $(if $(EVENTS),--events $(EVENTS)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(NODES),--nodes $(NODES)) $(if $(filter-out 0,$(SHORT)),--short) \
	  $(if $(CORES),--cores $(CORES)) \
	  $(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)")

growth: $(STAMP_DEV)  ## what a product costs by neighbours, nodes, size of events, brands, partitions  [ONLY='brands partitions' EVENTS=20000 OUT=FILE.json PLOT=FILE.svg DATA=]
	nice $(BIN)/python -m tests.benchmarks.growth $(foreach series,$(ONLY),--only $(series)) \
	  $(if $(EVENTS),--events $(EVENTS)) $(if $(OUT),--out "$(OUT)") $(if $(PLOT),--plot "$(PLOT)") $(if $(DATA),--data "$(DATA)")

same-decisions: $(STAMP_DEV)  ## whether the stream decides what classify does, on real catalogues  [DATA=directory of the labelled catalogues]
	$(BIN)/python -m tests.benchmarks.same_decisions $(if $(DATA),--data "$(DATA)")

quality: $(STAMP_DEV)  ## our model beside baselines on real catalogues  [DATA= ONLY='flipkart/*' SEEDS=3 OUT=var/quality ENCODER= TABLES=1]
	$(BIN)/python -m tests.benchmarks.quality $(if $(DATA),--data "$(DATA)") $(if $(ONLY),--only "$(ONLY)") \
	  $(if $(SEEDS),--seeds $(SEEDS)) $(if $(OUT),--out "$(OUT)") $(if $(ENCODER),--encoder "$(ENCODER)") $(if $(TABLES),--tables)

state: $(STAMP_DEV)  ## tables at size: recovery, memory, disk, reads and writes  [KEYS=100000 OUT=FILE.json]
	nice $(BIN)/python -m tests.benchmarks.state --keys $(or $(KEYS),100000) $(if $(OUT),--out "$(OUT)")

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("shelfwise needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12") if not (3, 11) <= sys.version_info < (3, 14) else None'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'no environment can be made: on Debian and Ubuntu install python3-venv'; exit 1; }

$(STAMP_DEMO): $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(STAMP_DEV): $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(STAMP_DEMO)

$(STAMP_BENCH): $(BIN)/python pyproject.toml
	$(BIN)/python -m venv $(VENV_BENCH)
	$(VENV_BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@

clean:  ## remove the environment and everything made
	rm -rf $(VENV) $(VENV_BENCH) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
