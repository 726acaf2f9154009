# The environment: Poetry makes .venv from poetry.lock, which is written the first time. Commit poetry.lock.
unexport VIRTUAL_ENV CONDA_PREFIX  # Poetry would fill an environment that is active in place of .venv

manager:  ## Install Poetry with pipx if it is missing
	command -v poetry >/dev/null || pipx install poetry==2.5.1

setup:  ## Make the environment in .venv
	@command -v poetry >/dev/null || { echo "error: Poetry is not installed; see https://python-poetry.org/docs" >&2; exit 1; }
	test -f poetry.lock || poetry lock
	@poetry check --lock >/dev/null
	poetry sync {{ cookiecutter.__poetry_extra }}
	-@.venv/bin/python -m {{ cookiecutter.package_name }} schema

install:  ## Install into .venv the packages of the lock that it lacks
	poetry sync {{ cookiecutter.__poetry_extra }}

lock:  ## Write poetry.lock again from pyproject.toml
	poetry lock
