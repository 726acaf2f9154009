"""Tasks as Lightning's documentation has people write them. Nothing in them knows of this project."""

from any_task import Task

from .classified import TASKS as CLASSIFIED

TASKS: dict[str, Task] = {**CLASSIFIED}
