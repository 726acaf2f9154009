# The environment: uv makes .venv from uv.lock, which it writes the first time. Commit uv.lock.
setup:  ## Make the environment in .venv
	@command -v uv >/dev/null || { echo "error: uv is not installed; see https://docs.astral.sh/uv" >&2; exit 1; }
	uv sync --python {{ cookiecutter.python_version }} {{ cookiecutter.__extras[cookiecutter.tracker] }}

lock:  ## Write uv.lock anew from pyproject.toml
	uv lock
