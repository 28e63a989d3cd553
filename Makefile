# Needs Python 3.11 or 3.12 and make; everything else comes into .venv. `make help` lists the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/setup.done
# Which Python to build .venv with; empty: the first of python3.11, python3, python3.12 that is 3.11 or 3.12.
PYTHON ?=
# Which benchmark `make bench` runs; empty: all.
NAME ?=
# How many test files `make test` runs side by side; each takes up to 3 GB of memory.
JOBS ?= 2
# What `make constraints` hands to uv.
OPTIONS ?=

# The stages' commands in dvc.yaml say "python": it must be this environment's, whether activated or not.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: help setup setup-vllm setup-examples setup-infra setup-browser setup-postgres demo test test-slow test-vllm test-examples test-infra fault-table check bench \
  bench-gpu ablation smoke constraints clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

setup: $(STAMP) ## Make .venv with everything in it (done once; again when the requirements change)
	@:

$(STAMP): pyproject.toml constraints.txt constraints-cpu.txt scripts/setup_environment.py
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  is_fit='import sys; raise SystemExit(sys.version_info[:2] not in ((3, 11), (3, 12)))'; found=; \
	  for candidate in $(or $(PYTHON),python3.11 python3 python3.12); do \
	    if "$$candidate" -c "$$is_fit" >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "error: no Python 3.11 or 3.12 among: $(or $(PYTHON),python3.11 python3 python3.12)." \
	      "Remedy: install Python 3.11, or name one: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 2; \
	  fi; \
	  "$$found" -m venv --clear $(VENV) || { \
	    echo "error: $$found cannot make a virtual environment." \
	      "Remedy: install its venv module (on Debian: apt install python3-venv)." >&2; exit 2; }; \
	fi
	@$(BIN)/python scripts/setup_environment.py
	@touch $@

setup-vllm: $(VENV)/vllm.done ## Add vLLM to .venv, for evaluate.engine: vllm
	@:

$(VENV)/vllm.done: $(STAMP) constraints-vllm.txt scripts/setup_vllm.py
	@$(BIN)/python scripts/setup_vllm.py
	@touch $@

setup-examples: $(VENV)/examples.done ## Make .venv-examples, with prometheus-eval, deepeval and lm-eval, beside .venv
	@:

$(VENV)/examples.done: $(STAMP) constraints-examples.txt scripts/setup_examples.py
	@$(BIN)/python scripts/setup_examples.py
	@touch $@

setup-infra: $(VENV)/infra.done ## Make .venv-infra, with Terraform, its AWS provider and moto, and .venv-checkov
	@:

$(VENV)/infra.done: $(STAMP) constraints-infra.txt constraints-checkov.txt scripts/setup_infra.py
	@$(BIN)/python scripts/setup_infra.py
	@touch $@

setup-browser: ## Install what the report's tests look at the page with (Debian, as root; without it they are skipped)
	@if command -v chromium >/dev/null && command -v pdftotext >/dev/null; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium poppler-utils fonts-dejavu-core; \
	else echo "setup-browser: skipped, it needs apt-get and root"; fi

setup-postgres: ## Install PostgreSQL for the registry's slow tests (Debian, as root; without it they are skipped)
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; \
	else echo "setup-postgres: skipped, it needs apt-get and root"; fi

demo: setup ## Run the whole pipeline on the embedded collection and show the table of judges
	judgeforge retrain

test: setup ## Run the fast tests
	pytest -n $(JOBS) --dist loadfile

test-slow: setup setup-postgres ## Run the tests that take minutes: whole pipeline, kill and resume
	pytest -m "slow and not gpu and not vllm and not examples and not infra"

test-vllm: setup-vllm ## Run the tests that need vLLM: the engine, and 'vllm serve' on loopback
	pytest -m "vllm and not gpu"

test-examples: setup-vllm setup-examples ## Run the examples with the packages that they are for
	pytest -m examples

test-infra: setup-infra ## Run the tests of infra/: Terraform for real, against an AWS that moto plays on loopback
	pytest -m "infra and not slow" -n $(JOBS) --dist loadfile

fault-table: setup-infra ## Run whole retrainings over played machines, one for each fault, and write docs/faults.md (half an hour)
	JUDGEFORGE_FAULT_TABLE=docs/faults.md pytest -m "infra and slow" tests/infra/test_whole_retraining.py

check: setup ## Lint, types, import contracts, architecture tests, Terraform's format
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache
	pytest -q tests/architecture
	@terraform=$$(command -v .venv-infra/bin/terraform || command -v terraform || true); \
	if [ -z "$$terraform" ]; then echo "terraform fmt: skipped, there is no Terraform (make setup-infra)"; \
	else CHECKPOINT_DISABLE=1 "$$terraform" fmt -check -recursive infra; fi

bench: setup ## Measure us against a peer, side by side (one of benchmarks/: make bench NAME=merge; judging needs vLLM)
	@for file in $(if $(NAME),benchmarks/$(NAME).py,$(filter-out benchmarks/harness.py benchmarks/synthetic.py benchmarks/%_by_rows.py benchmarks/%_side.py benchmarks/%_gpu.py,$(wildcard benchmarks/*.py))); do \
	  echo "$$file"; python "$$file"; \
	done

bench-gpu: setup ## Measure training on one GPU (7B by LoRA and in full, SmolLM2 on the real collection), in full with 200 GB of main memory
	python benchmarks/training_gpu.py

ablation: setup ## Merge the judges that are here by all six methods, and evaluate each (half an hour after 'make demo')
	python scripts/merging_ablation.py

smoke: setup ## Run every stage and the flow on a miniature model, in a copy (.judgeforge/smoke)
	@rm -rf .judgeforge/smoke && mkdir -p .judgeforge/smoke
	@git ls-files -z | xargs -0 cp --parents -t .judgeforge/smoke
	cd .judgeforge/smoke && dvc config core.no_scm true && judgeforge recipe smoke && judgeforge retrain

constraints: ## Pin what pyproject.toml requires (to renew: make constraints OPTIONS=--upgrade)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(MAKE) setup  # the present pins may contradict pyproject.toml
	$(BIN)/python scripts/pin_versions.py $(OPTIONS)

clean: ## Remove outputs and tools' caches; the environments, DVC's cache and MLflow's records stay
	rm -rf data models curves evaluation reports search .judgeforge .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -not -path './.venv-*/*' -prune -exec rm -rf {} +
