# The environment: Poetry makes .venv from poetry.lock, which it writes the first time. Commit poetry.lock.
setup:  ## Make the environment in .venv
	@command -v poetry >/dev/null || { echo "error: Poetry is not installed; see https://python-poetry.org/docs" >&2; exit 1; }
	poetry env use {{ cookiecutter.python_version }}
	poetry install {{ cookiecutter.__extras[cookiecutter.tracker] }}

lock:  ## Write poetry.lock anew from pyproject.toml
	poetry lock
