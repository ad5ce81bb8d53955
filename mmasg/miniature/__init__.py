"""The embedded pair of domains: renderer, tasks, the arms compared on it."""

from .jobs import Job, Task
from .object_task import OBJECTS
from .street_task import STREET

#: Every generator, by its name on the command line.
TASKS: dict[str, Task] = {task.name: task for task in (STREET, OBJECTS)}

__all__ = ["OBJECTS", "STREET", "TASKS", "Job", "Task"]
