"""The checklist of a reproducible project, as checks with evidence: docs/checklist.md."""

from .after import ARCHIVED, REPORTED
from .examine import examine, pipeline_run
from .item import Item

__all__ = ["ARCHIVED", "REPORTED", "Item", "examine", "pipeline_run"]
