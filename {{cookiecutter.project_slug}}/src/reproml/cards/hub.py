"""The words of the Hugging Face Hub for what a card says."""

from typing import Any

_LICENSES = {"MIT", "BSD-3-Clause", "Apache-2.0"}  # the Hub writes them in lower case
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_LARGER = "n>10M"
OTHER = "other"  # for a task that it has no word for


def size(examples: int) -> str:
    """Return the class of size of a data set."""
    return next((name for limit, name in _SIZES.items() if examples < limit), _LARGER)


def model_license(spdx: str) -> dict[str, Any]:
    """Return the keys of a model card for one of the licenses that a project can have."""
    if spdx in _LICENSES:
        return {"license": spdx.lower()}
    name = spdx.removeprefix("LicenseRef-").lower()
    return {"license": "other", "license_name": name, "license_link": "LICENSE"}


def data_license(spdx: str | None) -> str:
    """Return the name of a data set's license."""
    return spdx.lower() if spdx else "unknown"
