"""The checklist of a reproducible project, as checks with evidence: docs/checklist.md."""

from .examine import examine, newest_finished
from .item import SECTIONS, Item

__all__ = ["SECTIONS", "Item", "examine", "newest_finished"]
