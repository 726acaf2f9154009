# The environment: conda makes .venv from environment.yml, which is written from pyproject.toml.
# Before there is an environment, conda's own Python (3.11 or newer) does what has to be done.
CONDA_PYTHON := PYTHONPATH=src conda run --name base --no-capture-output python

manager:  ## Nothing to install: get conda from your system or https://conda-forge.org/download
	@true

setup:  ## Make the environment in .venv
	@command -v conda >/dev/null || { echo "error: conda is not installed; see https://conda-forge.org/download" >&2; exit 1; }
	@$(CONDA_PYTHON) -m reproml.locks.lock
	conda env create --yes --prefix ./.venv --file environment.yml
	-@.venv/bin/python -m {{ cookiecutter.package_name }} schema

install:  ## Install into .venv the packages of the lock that it lacks
	conda env update --prefix ./.venv --file environment.yml

lock:  ## Write environment.yml again from pyproject.toml
	@command -v conda >/dev/null || { echo "error: conda is not installed; see https://conda-forge.org/download" >&2; exit 1; }
	$(CONDA_PYTHON) -m reproml.locks.conda {{ cookiecutter.__extra }}
