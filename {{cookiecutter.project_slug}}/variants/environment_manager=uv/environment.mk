# The environment: uv makes .venv from uv.lock, which is written the first time. Commit uv.lock.
manager:  ## Install uv with pipx if it is missing
	command -v uv >/dev/null || pipx install uv==0.13.9

setup:  ## Make the environment in .venv
	@command -v uv >/dev/null || { echo "error: uv is not installed; see https://docs.astral.sh/uv" >&2; exit 1; }
	test -f uv.lock || uv lock
	@uv lock --check
	uv sync --locked {{ cookiecutter.__extra }}
	-@.venv/bin/python -m {{ cookiecutter.package_name }} schema

install:  ## Install into .venv the packages of the lock that it lacks
	uv sync --locked {{ cookiecutter.__extra }}

lock:  ## Write uv.lock again from pyproject.toml
	uv lock
