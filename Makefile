# The template's own make targets. README.md says what each does.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all docs lint lock clean

PYTHON ?= python3
BIN := .venv/bin
VARIANTS := '{{cookiecutter.project_slug}}'/variants
# Two processes; each test file runs in one of them. The slowest tests are printed
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 20

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/made  ## Create the template's own environment in .venv

.venv/made: requirements-dev.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.txt
	touch $@

demo: setup  ## Generate a project with the defaults in demo/, install it, run its pipeline and show the result
	rm -rf demo
	$(BIN)/cookiecutter . --no-input --output-dir demo \
		python_version=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	cd demo/my-project && git init --quiet --initial-branch main && git add . \
		&& git -c user.name=demo -c user.email=demo@example.com commit --quiet --message "Generate the project"
	$(MAKE) -C demo/my-project setup run
	cd demo/my-project && .venv/bin/dvc metrics show

test: setup  ## Run the fast tests, and install, lint, test and run one real project (10 minutes)
	$(PYTEST) -m "not slow or newcomer"

test-all: setup  ## Run every test: real installs, trainings, pipelines, containers, a cluster (about an hour)
	$(PYTEST)

docs: setup  ## Build the documentation into site/, and check its links (SERVE=1: show it at http://127.0.0.1:8000 instead)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(if $(SERVE),serve,build)

lint: setup  ## Check the style of the template's own sources, the machinery's import directions, and the Dockerfiles
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	PYTHONPATH='{{cookiecutter.project_slug}}/src' $(BIN)/lint-imports --no-cache
	for manager in $(VARIANTS)/environment_manager=*; do \
		cat "$$manager/Dockerfile" $(VARIANTS)/Dockerfile | $(BIN)/hadolint --ignore SC1083 - || exit; \
	done  # SC1083 takes Jinja's braces for Bash's

lock: setup  ## Resolve every pin again and write the lock files (KEEP=1: only add what is new)
	$(BIN)/python scripts/lock.py $(if $(KEEP),--keep)

clean:  ## Remove environments, caches and the demo
	rm -rf .venv .cache .pytest_cache .ruff_cache .mypy_cache demo site
