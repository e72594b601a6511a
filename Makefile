# Every target sets up what it needs (system packages, the environment) and starts at once when nothing changed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
JOBS ?= 2

# `$(activate); command` runs the command in the environment of requirements/dev.txt.
activate = .ci/system.sh $(PYTHON); \
	VIRTUAL_ENV="$$($(PYTHON) .ci/environment.py dev requirements/dev.txt .)"; \
	export VIRTUAL_ENV PATH="$$VIRTUAL_ENV/bin:$$PATH"

# `$(serve); command` has the environments of the engines that tests start; minutes the first time.
serve = SPECC_SERVE="$$($(PYTHON) .ci/environment.py serve requirements/serve.txt)"; export SPECC_SERVE
serve_all = $(serve); \
	SPECC_SERVE_VLLM="$$($(PYTHON) .ci/environment.py serve-vllm requirements/serve-vllm.txt)"; export SPECC_SERVE_VLLM

# One thread for each test process: tests run side by side already, and sums then round the same way on every machine.
pytest = OMP_NUM_THREADS=1 pytest -n $(JOBS) --dist worksteal

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s '|'

.PHONY: demo
demo: ## one YAML file becomes a proven model, trained on this machine for about four minutes
	@$(activate); bash examples/quickstart.sh

.PHONY: environment
environment: ## build the environments (every other target does so when needed)
	@$(activate); $(serve); printf '%s\n' "$$VIRTUAL_ENV" "$$SPECC_SERVE"

.PHONY: test
test: ## run all tests
	@$(activate); .ci/system.sh $(PYTHON) browser; $(serve); $(pytest) $(ARGS)

.PHONY: check format lint types layers generated docs
check: format lint types layers generated docs ## everything that needs no test run
format:
	@$(activate); ruff format --check --quiet . || { echo 'run `make fix`'; exit 1; }
lint:
	@$(activate); ruff check --quiet .
types:
	@$(activate); mypy
layers:
	@$(activate); pytest -q tests/test_architecture.py
generated:
	@$(activate); for project in generated/*/; do \
	    [ -d "$$project" ] || continue; \
	    specc build "specs/$$(basename "$$project").yaml" --check; \
	done
docs:
	@$(activate); mkdocs build --strict --config-file .ci/mkdocs.yml

.PHONY: fix
fix: ## format, and apply the linter's safe fixes
	@$(activate); ruff check --fix --quiet . || true; ruff format --quiet .

.PHONY: golden
golden: ## rewrite expected outputs and generated/, then show what changed
	@$(activate); \
	$(pytest) -q --update-golden; \
	for project in generated/*/; do \
	    [ -d "$$project" ] || continue; \
	    specc build "specs/$$(basename "$$project").yaml"; \
	done; \
	git --no-pager diff --stat -- tests generated; \
	git --no-pager diff -- tests generated; \
	git status --short -- tests generated

.PHONY: bench
bench: ## measure the code base and specc's start-up
	@$(activate); python -m benchmarks.measures; python -m benchmarks.startup

.PHONY: proof
proof: ## run everything at full length and write docs/proof.md
	@$(activate); .ci/system.sh $(PYTHON) browser; $(serve_all); python -m benchmarks.proof

.PHONY: clean
clean: ## remove environments, caches and build output
	rm -rf .envs .build .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
