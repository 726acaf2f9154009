# The environment: a venv, filled by pip from requirements.txt and requirements-dev.txt, which pin every package by hash.
# torch comes first, from an index of its own, because its build depends on the hardware. For CUDA 13.0, say:
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cu130
PYTHON ?= python{{ cookiecutter.python_version }}
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := .venv/bin/python -m pip

setup:  ## Make the environment in .venv
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed; install Python {{ cookiecutter.python_version }}, or name yours with make setup PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(PIP) install --quiet pip==26.3
	$(PIP) install --quiet torch==2.13.0 --extra-index-url $(TORCH_INDEX)
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.txt -r requirements-dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check

# What torch brings along for the GPU belongs to its build, so it is left out of the lock, like torch itself.
COMPILE := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-sources --python-version {{ cookiecutter.python_version }} \
	--no-emit-package torch --excludes requirements-exclude.txt --custom-compile-command "make lock"

lock:  ## Write requirements.txt and requirements-dev.txt anew from pyproject.toml
	$(COMPILE) pyproject.toml {{ cookiecutter.__extras[cookiecutter.tracker] }} --output-file requirements.txt
	$(COMPILE) --group dev --constraints requirements.txt --output-file requirements-dev.txt
