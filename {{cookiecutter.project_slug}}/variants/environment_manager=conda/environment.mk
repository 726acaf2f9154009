# The environment: conda makes .venv from environment.yml.
setup:  ## Make the environment in .venv
	@command -v conda >/dev/null || { echo "error: conda is not installed; see https://conda-forge.org/download" >&2; exit 1; }
	conda env create --yes --prefix ./.venv --file environment.yml
	.venv/bin/python -m pip install --group dev

lock:  ## Write the exact packages of .venv, for the record
	conda list --prefix ./.venv --explicit --md5 > environment.lock.txt
