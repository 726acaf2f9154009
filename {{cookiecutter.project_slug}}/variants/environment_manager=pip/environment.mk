# The environment: a venv, filled by pip from requirements.txt and requirements-dev.txt, which pin every package by hash.
# torch comes first, from an index of its own, because its build depends on the hardware: docs/environments.md.
PYTHON ?= python{{ cookiecutter.python_version }}
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := .venv/bin/python -m pip

manager:  ## Nothing to install: pip comes with Python
	@true

setup:  ## Make the environment in .venv
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed; install Python {{ cookiecutter.python_version }}, or name yours with make setup PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "{{ cookiecutter.python_version }}")' 2>/dev/null || { echo "error: $(PYTHON) is not Python {{ cookiecutter.python_version }}, which pyproject.toml requires; name another with make setup PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make environments; install its pip and venv (Debian: python{{ cookiecutter.python_version }}-venv)" >&2; exit 1; }
	@PYTHONPATH=src $(PYTHON) -m reproml.locks.lock
	@echo "making an empty environment in .venv"
	$(PYTHON) -m venv --clear .venv
	$(PIP) install --quiet pip==26.3
	@echo "installing torch from $(TORCH_INDEX): the largest part, a minute or more"
	$(PIP) install --quiet torch==2.13.0 --extra-index-url $(TORCH_INDEX)
	@echo "installing the other packages of the lock, each checked by its hash: a minute or more"
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.txt -r requirements-dev.txt
	@echo "installing this project"
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check
	-@.venv/bin/python -m {{ cookiecutter.package_name }} schema
	@echo "done: source .venv/bin/activate, then python train.py"

install:  ## Install into .venv the packages of the lock that it lacks
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.txt -r requirements-dev.txt

COMPILE := uv pip compile --quiet --universal --no-sources --python-version {{ cookiecutter.python_version }} --custom-compile-command "make lock"
# The direct packages alone, as pyproject.toml lists them.
DIRECT := $(COMPILE) --no-deps --no-annotate --no-strip-extras
# What they need in turn. What torch brings along for the GPU belongs to its build, so it is left out, like torch itself.
ALL := $(COMPILE) --generate-hashes --no-emit-package torch --excludes requirements-exclude.txt

lock:  ## Write requirements.txt and requirements-dev.txt again from pyproject.toml
	@command -v uv >/dev/null || { echo "error: uv is not installed; make setup installs it, or python -m pip install uv" >&2; exit 1; }
	$(DIRECT) pyproject.toml {{ cookiecutter.__extra }} --output-file requirements.in
	$(DIRECT) --group dev --output-file requirements-dev.in
	$(ALL) requirements.in --output-file requirements.txt
	$(ALL) requirements-dev.in --constraints requirements.txt --output-file requirements-dev.txt
