# Everything a newcomer needs. `make` alone explains.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
WORKSPACE ?= workspace
OVERRIDES ?=
# Where `make up` listens; an address of this machine lets others in (docs/deployment.md).
HOST ?= 127.0.0.1
PREFECT_PORT ?= 4200
MLFLOW_PORT ?= 5000
POOL ?= met2net
SERVICES = $(BIN)/python -m flows.services --workspace '$(WORKSPACE)' --host $(HOST) \
  --prefect-port $(PREFECT_PORT) --mlflow-port $(MLFLOW_PORT) --pool $(POOL)

.DEFAULT_GOAL := help
.PHONY: help experiment test long lint docs bench bench-gpu chaos long-run ui up deploy down status clean lock audit

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The full lock makes an installation the same everywhere; a changed lock installs anew. Files are
# compiled when they are imported: compiling all of them here would take longer than the rest.
$(INSTALLED): constraints.txt best_tracks.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"found Python {v[0]}.{v[1]}; expected 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check --no-compile \
	  --editable '.[pipeline,simulator,maps,dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  --requirement best_tracks.txt
	@touch $@

experiment: $(INSTALLED) ## set up, then run the demo: simulate, train, score, explain, register
	$(BIN)/prefect run flows/full_experiment.py 'workspace=$(WORKSPACE)' $(OVERRIDES)

# Two processes with one thread each: tests are many and small. Their order is that of tests/conftest.py.
test: lint ## set up, then run all checks (make long, make bench: what takes longer)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

long: $(INSTALLED) ## tests of minutes that `make test` leaves out
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m long

lint: $(INSTALLED) ## ruff, import rules, strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# NO_MKDOCS_2_WARNING: the theme's notice of its own end, which CONTRIBUTING.md has.
docs: $(INSTALLED) ## the documentation as a site, from docs/: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

bench: $(INSTALLED) ## speed and memory, as ratios
	$(BIN)/pytest tests/benchmarks -m bench -s

bench-gpu: $(INSTALLED) ## on a GPU: that it computes as the CPU, what steps and full runs cost there
	@$(BIN)/python -c 'import torch; raise SystemExit(0 if torch.cuda.is_available() else "found no GPU that PyTorch can use; expected one (torch.cuda.is_available())")'
	BENCHMARKS_JSON=benchmarks-gpu.json $(BIN)/pytest -m bench -s \
	  tests/benchmarks/test_gpu_training.py tests/benchmarks/test_full_run_costs.py

# Goes on where it was stopped: results are kept line by line in workspace/chaos.
SEEDS ?= 1 2 3
chaos: $(INSTALLED) ## the fault campaign: kills, full disks, damage, ... (docs/fault_campaign.md)
	$(BIN)/python -m tests.chaos --folder '$(WORKSPACE)/chaos' --seeds $(SEEDS)

long-run: $(INSTALLED) ## forty monthly cycles: what grows with their number
	$(BIN)/python -m tests.chaos.long_run --folder '$(WORKSPACE)/long_run'

ui: $(INSTALLED) ## open what was registered: MLflow on http://127.0.0.1:5000
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --host 127.0.0.1 --port 5000 \
	  --backend-store-uri 'sqlite:///$(WORKSPACE)/mlflow.db'

up: $(INSTALLED) ## start Prefect's server, MLflow's and a worker; say which addresses to open
	@$(SERVICES) up

deploy: $(INSTALLED) ## make or update the deployments of prefect.yaml on that server
	PREFECT_API_URL=http://$(HOST):$(PREFECT_PORT)/api $(BIN)/prefect deploy --all

status: ## say which of them run and answer
	@$(SERVICES) status

down: ## end what `make up` started
	@$(SERVICES) down

clean: ## remove the environment and caches; the workspace stays
	rm -rf .venv .venv-audit build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache

lock: ## write constraints.txt anew from what pyproject.toml asks for
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check 'torch==2.13.0' \
	  --editable '.[pipeline,simulator,maps,dev]'
	.venv-lock/bin/pip freeze --all --exclude-editable | \
	  sed -E '/^(pip|setuptools|wheel)==/d; s/\+(cpu|cu[0-9]+)$$//' > constraints.txt
	rm -rf .venv-lock

# In an environment of its own: its dependencies are none of the project's.
AUDIT := .venv-audit/bin
VULNERABILITIES := https://pypi.org/pypi/requests/2.32.0/json
audit: ## compare the lock with published vulnerabilities; skipped where they cannot be reached
	@if $(PYTHON) -c 'import urllib.request as u; u.urlopen("$(VULNERABILITIES)", timeout=10)' \
	    2>/dev/null && $(PYTHON) -m venv .venv-audit \
	    && $(AUDIT)/pip install --quiet --disable-pip-version-check pip-audit; then \
	  for lock in constraints.txt best_tracks.txt; do \
	    $(AUDIT)/pip-audit --strict --requirement $$lock --no-deps --disable-pip \
	      --progress-spinner off || exit 1; \
	  done; \
	else echo 'audit skipped: the list of vulnerabilities or pip-audit cannot be reached'; fi
