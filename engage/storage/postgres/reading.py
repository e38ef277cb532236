"""Reading in PostgreSQL: one person's page, and the lists and numbers of the project."""

from engage.storage.postgres.auditing import PostgresAuditing
from engage.storage.postgres.reading_numbers import PostgresNumbers
from engage.storage.postgres.reading_person import PostgresPerson
from engage.storage.postgres.reading_project import PostgresLists


class PostgresReading(PostgresPerson, PostgresLists, PostgresNumbers, PostgresAuditing):
    """Everything faces read; implements `engage.ports.reading.Reading`."""
