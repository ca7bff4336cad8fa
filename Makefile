# What people and CI run. Everything is set up by itself: a Python >= 3.10, for the tests against the
# engine a JDK >= 25 and Maven, and for those of the Action Go >= 1.21, are all that a machine needs;
# all but Python are installed by the system's package manager where that needs no password.
# KESTRA=1.3 or KESTRA=2.0 chooses one version of Kestra: make demo KESTRA=2.0. (For 1.3 alone a
# JDK >= 21 is enough.)

export KESTRA
# Some machines forbid it. Without it each of hundreds of processes compiles all modules.
export PYTHONDONTWRITEBYTECODE :=

RUN := .venv/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup chromium demo test lint typecheck unit e2e oldest format docs pictures clean engine tools bench build site

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Create .venv and install everything into it (other targets do this automatically)
	@.ci/setup.sh

chromium: ## Install Chromium for the test of the HTML report, if it is missing
	@.ci/chromium.sh

demo: setup ## Start a Kestra engine (KESTRA=2.0: that version), deploy flows/ and verify that no changes are left
	@KESTRA=$(or $(KESTRA),1.3) $(RUN)/python .ci/machine.py java maven
	@$(RUN)/python .ci/demo.py

test: setup ## All checks: lint and types, and beside them every test with its coverage
	@.ci/test.sh

lint: setup ## Check style, formatting, spelling and wording
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/typos
	$(RUN)/python .ci/wording.py

typecheck: setup ## Check the types
	$(RUN)/mypy --strict

unit: setup chromium ## Run the tests that need no server
	$(RUN)/pytest -m "not e2e"

e2e: $(if $(KESTRA_TEST_URL),setup,engine tools) ## Run the tests that talk to Kestra: the embedded engine, or the server of KESTRA_TEST_URL
	$(RUN)/pytest -m "e2e$(if $(KESTRA_TEST_URL), and not embedded_only)"

engine: setup ## Build the embedded Kestra engines (KESTRA=2.0: only that version), unless they exist
	@KESTRA=$(or $(KESTRA),all) $(RUN)/python .ci/machine.py java maven
	@$(RUN)/python -m tests.engine --build-only --kestra $(or $(KESTRA),all)

tools: setup ## Build actionlint and act for the tests of the Action, unless they exist
	@$(RUN)/python .ci/machine.py go
	@$(RUN)/python -m tests.action.go_tools

build: setup ## Build the wheel and the sdist into dist/
	rm -rf dist
	$(RUN)/python -m build

site: setup ## Build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(RUN)/python -m mkdocs build --strict

oldest: ## Run the unit tests with the oldest supported dependencies, on Python 3.10
	@.ci/oldest.sh

bench: engine ## Measure speed and memory against bare requests, and update docs/performance.md (an hour)
	@$(RUN)/python -m pip install --quiet --group bench
	@$(RUN)/python -m benchmarks

format: setup ## Format the code and fix what can be fixed automatically
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

docs: setup ## Generate docs/cli.md from the command line
	$(RUN)/python .ci/docs.py --write

pictures: setup chromium ## Take the pictures of the documentation, from a plan on a real engine
	$(RUN)/python .ci/pictures.py

clean: ## Remove generated files
	rm -rf .venv .demo build dist site htmlcov .coverage .coverage.* tests/engine/target
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
