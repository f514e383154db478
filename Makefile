# Everything that people and CI run. Each target sets up what it needs: `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
PYTEST_ARGS ?=
SECONDS ?= 600
SEED ?= 1
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME

.PHONY: help demo test lint format types docs docs-check wheels bench soak simulate fuzz mutants clean venv venv-dev

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-12s %s\n", $$1, $$2 }'

demo: venv ## a real job on a private cluster of this machine, with kill -9 in the middle
	@$(BIN)/raisin demo

test: venv-dev ## the whole suite, and without the slow tests on every other Python found (PYTEST_ARGS="...")
	@$(BIN)/python scripts/test_matrix.py $(PYTEST_ARGS)

lint: venv-dev ## ruff: rules and format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: make format"; exit 1; }

format: venv-dev ## let ruff write the format
	@$(BIN)/ruff format .

types: venv-dev ## mypy --strict over the five packages and the scripts
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/mypy --no-error-summary scripts/*.py

docs: venv ## write the generated parts of docs/
	@$(BIN)/python scripts/protocol_table.py

docs-check: venv ## fail where the generated parts of docs/ are out of date
	@$(BIN)/python scripts/protocol_table.py --check

wheels: venv ## the five wheels, into dist/
	@rm -rf dist build raisin_*/build # what an earlier build left would get into the wheels
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist \
		./raisin_core ./raisin_broker ./raisin_worker ./raisin_cli .
	@rm -rf build raisin_*/build
	@ls dist

bench: venv-dev ## the benchmarks
	@$(BIN)/python -m bench $(BENCH_ARGS)

soak: venv-dev ## real chaos: kill -9, closed lids, pulled cables, full disks (root, Linux; SECONDS=600 SEED=1)
	@$(BIN)/python -m tests.soak --seconds $(SECONDS) --seed $(SEED) $(SOAK_ARGS)

simulate: venv-dev ## the simulation: SEEDS=100000 or first:last on all cores, SEED=12 for one with its story
	@$(BIN)/python -m tests.simulation $(if $(SEED),$(SEED),--seeds $(or $(SEEDS),300) $(SIMULATE_ARGS))

fuzz: venv-dev ## damaged and hostile bytes for whatever reads bytes of others (SECONDS=600 FUZZ="values streams")
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(FUZZ)

mutants: venv-dev ## breaks the machines on purpose, one way after the other: the simulation must find each
	@$(BIN)/python -m tests.mutants $(MUTANTS)

clean: ## remove environments, caches and what was built
	@rm -rf .venv .venv-3.* build dist raisin_*/build raisin_*/src/*.egg-info *.egg-info .mypy_cache .ruff_cache .pytest_cache

venv:
	@sh scripts/venv.sh .venv run "$(PYTHON)"

venv-dev:
	@sh scripts/venv.sh .venv dev "$(PYTHON)"
