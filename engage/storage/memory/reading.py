"""Reading in memory: one person's page, and the lists and numbers of the project."""

from engage.storage.memory.auditing import MemoryAuditing
from engage.storage.memory.reading_numbers import MemoryNumbers
from engage.storage.memory.reading_person import MemoryPerson
from engage.storage.memory.reading_project import MemoryLists


class MemoryReading(MemoryPerson, MemoryLists, MemoryNumbers, MemoryAuditing):
    """Everything faces read; implements `engage.ports.reading.Reading`."""
