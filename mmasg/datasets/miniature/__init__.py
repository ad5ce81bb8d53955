"""The miniature data: small domains of drawn scenes in the formats of the originals."""

from mmasg.datasets.miniature.jobs import Job, Task
from mmasg.datasets.miniature.object_task import OBJECTS
from mmasg.datasets.miniature.street_task import STREET

#: Every generator, by its name on the command line.
TASKS: dict[str, Task] = {task.name: task for task in (STREET, OBJECTS)}

__all__ = ["OBJECTS", "STREET", "TASKS", "Job", "Task"]
