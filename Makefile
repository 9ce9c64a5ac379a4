# Every target sets itself up. A machine needs Python (any 3.9 or newer), git and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --frozen --quiet
# The parent process may be inside another project's environment; this project has its own.
unexport VIRTUAL_ENV
ARCHITECTURE ?= arm64
TEMPLATES = template.yaml docs/deploy-role.yaml events-schema/registry.yaml $(wildcard operations/*.yaml examples/subscriber/*.yaml)

.PHONY: help setup fmt lint scan types test simulate simulate-mutants bench schemas contract release-contract wheel bindings requirements package build demo sam-local check-sam-local clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready ## Install everything into .venv (uv itself into .uv where it is missing)

.uv/bin/uv:
	@echo "setup: no uv on this machine, installing it into .uv"
	@python3 -m venv .uv || { echo "setup: python3 cannot make a virtual environment (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'

.venv/.ready: pyproject.toml uv.lock .python-version | $(filter .uv/bin/uv,$(UV))
	@$(UV) python find --no-python-downloads --quiet >/dev/null 2>&1 || echo "setup: no CPython $$(cat .python-version) on this machine, uv fetches one"
	@$(UV) sync --frozen --quiet --compile-bytecode || { echo "setup: the packages could not be installed; see the lines above. Is the package index reachable?" >&2; exit 1; }
	@touch $@

fmt: setup ## Format the code and mend what ruff can mend
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

lint: setup ## Style, import rules, generated files up to date, the template
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) lint-imports --no-cache
	@$(RUN) python -m prestage.contract_files --check
	@$(UV) export --frozen --quiet --no-dev --no-emit-project --no-hashes --no-annotate --no-header | diff -u services/requirements.txt - \
		|| { echo "lint: services/requirements.txt is not what uv.lock says; run: make requirements" >&2; exit 1; }
	@for template in template.yaml operations/alarms.yaml examples/subscriber/template.yaml examples/subscriber/cross-account.yaml; do \
		SAM_CLI_TELEMETRY=0 $(RUN) sam validate --lint --region us-east-1 --template "$$template" || exit 1; done
	@$(RUN) cfn-lint --regions us-east-1 --template docs/deploy-role.yaml events-schema/registry.yaml

# checkov pins a boto3 of 2024, so it has an environment of its own, with packages as they were on that day.
CHECKOV := checkov==3.3.30
scan: setup ## checkov, on every template (.checkov.yaml says what it leaves out, and why)
	@$(UV) tool run --quiet --python .venv/bin/python --from '$(CHECKOV)' --exclude-newer 2026-11-24 \
		checkov --config-file .checkov.yaml $(foreach template,$(TEMPLATES),--file $(template))

types: setup ## mypy, strict
	@$(RUN) mypy

test: setup ## Every test that needs nothing but this machine
	@$(RUN) pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

simulate: setup ## The real handlers through SEEDS=200 histories, from seed FROM=0, or SEED=… alone with its trace
	@$(RUN) python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),200) --from $(or $(FROM),0))

simulate-mutants: setup ## Without each protection, some history has to fail (PROTECTION='lease' for one)
	@$(RUN) python -m tests.simulation --mutants $(if $(PROTECTION),'$(PROTECTION)')

schemas: setup ## Write events-schema/, docs/events.md, docs/asyncapi.yaml, the TypeScript types and events/ from the models
	@$(RUN) python -m prestage.contract_files

contract: setup ## Say what changed in the events since their last release, and fail if a consumer could break
	@$(RUN) python -m prestage.contract_releases

release-contract: setup ## Keep the events as a release: the version is in contracts/python/pyproject.toml
	@$(RUN) python -m prestage.contract_releases --record

wheel: setup ## Build what other teams install: dist/prestage_contracts-….whl
	@cd contracts/python && $(CURDIR)/.venv/bin/python -m hatchling build -t wheel -d $(CURDIR)/dist

bindings: wheel ## The wheel; check the TypeScript types with the compiler and docs/asyncapi.yaml with its parser (needs node)
	@mkdir -p contracts/typescript/build
	@$(RUN) python -m prestage.contract_releases --examples contracts/typescript/build/examples.ts
	@cd contracts/typescript && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent check

requirements: setup ## Write services/requirements.txt from uv.lock
	@$(UV) export --frozen --quiet --no-dev --no-emit-project --no-hashes --no-annotate --no-header > services/requirements.txt

# One package for all functions, as their CodeUri is one (sam copies it for each by default), and bytecode in it: Lambda
# keeps none, so that every cold start would compile everything.
package: setup ## What sam deploy sends, in .aws-sam/build, for ARCHITECTURE (arm64, as the template)
	@SAM_CLI_TELEMETRY=0 SAM_CLI_BETA_BUILD_PERFORMANCE=1 $(RUN) sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	@$(RUN) python -m compileall -q -j 0 --invalidation-mode unchecked-hash .aws-sam/build
	@du -sh .aws-sam/build/*/

build: ARCHITECTURE := $(shell uname -m | sed 's/aarch64/arm64/')
build: package ## The package for this machine, then its functions under the Lambda runtime interface emulator
	@$(RUN) pytest -m built tests/fidelity

bench: setup ## Measure, print, and say against what
	@$(RUN) python -m prestage.stage.bench

demo: setup ## The life of a preview, on this machine alone
	@$(RUN) prestage demo

sam-local: ARCHITECTURE := $(shell uname -m | sed 's/aarch64/arm64/')
sam-local: package ## AWS, GitHub and Fly.io for sam local invoke and sam local start-api, until Ctrl-C (docs/sam-local.md)
	@$(RUN) python -m prestage.stage.sam_local

check-sam-local: setup ## See that sam local works; skipped without a container engine (SAM_LOCAL_ENGINE=… makes one)
	@$(RUN) python -m prestage.stage.sam_local_check $(if $(SAM_LOCAL_ENGINE),--engine '$(SAM_LOCAL_ENGINE)')

clean: ## Remove what the targets made
	@rm -rf .venv .uv .aws-sam dist contracts/typescript/node_modules contracts/typescript/build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
