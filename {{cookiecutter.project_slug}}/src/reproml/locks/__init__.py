"""Whether the lock file is that of pyproject.toml."""
