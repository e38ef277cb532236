"""Session: one connection as the aggregates use it: statements in, rows out, and no error of the driver let through."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.adapt import Buffer, Dumper
from psycopg.types.string import TextLoader

from engage.domain.errors import EngageError, IdentityRaceError
from engage.ports.storage import StorageAwayError, StorageBusyError, StorageRefusedError
from engage.storage.coding import encode

Connection = psycopg.Connection[tuple[Any, ...]]

_RACES = frozenset({"run_active", "identifier_pkey"})
_BUSY = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.IdleInTransactionSessionTimeout,
)
# A server that became a stand-by, was told to write nothing for a while, or has another version's schema is as good as
# away: no row is to blame.
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.InsufficientPrivilege,
)
_REFUSED = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded)

# Every hot statement goes by an index. Plans are kept for the life of a connection, and one made while the tables were
# still empty would read whole tables later: so the planner is not given the choice. Reports ask for it back.
_SETTINGS = {
    "timezone": "UTC",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Without it, statements over arrays are planned anew each time, for a third of their cost.
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "300s",
    "application_name": "engage",
}

# A machine or a network that is gone does not say so: without these the system finds out after a quarter of an hour.
_LIVENESS: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


# Sets are joined by hashing and merging; whole tables are still nothing that a question may read.
_FREELY = """
SELECT set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
    set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '64MB', true)
"""
_AS_EVER = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)
"""


def liveness(url: str) -> dict[str, Any]:
    """Return what lets a connection notice a machine that is gone, but for what its URL says itself."""
    given = psycopg.conninfo.conninfo_to_dict(url)
    return {name: value for name, value in _LIVENESS.items() if name not in given}


class Json:
    """A parameter that is JSON already."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        """Wrap encoded JSON."""
        self.data = data


class _JsonDumper(Dumper):
    oid = psycopg.adapters.types["json"].oid

    def dump(self, obj: Json) -> Buffer:
        return obj.data


def json(values: Iterable[Any]) -> Json:
    """Return many structures as the one parameter of a bulk statement.

    Raises:
        StorageRefusedError: a text in them holds U+0000.
    """
    return Json(encode(values if isinstance(values, list) else list(values)))


def configure(connection: Connection) -> None:
    """Prepare a new connection: UUIDs and JSON arrive as text, for msgspec to decode; instants arrive in UTC."""
    for name in ("uuid", "json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)
    connection.adapters.register_dumper(Json, _JsonDumper)
    connection.prepare_threshold = 1
    settings = sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, false)").format(name, value) for name, value in _SETTINGS.items()
    )
    connection.execute(sql.SQL("SELECT {}").format(settings))
    connection.commit()


class Session:
    """One open transaction's connection."""

    __slots__ = ("_cursor",)

    def __init__(self, connection: Connection) -> None:
        """Use `connection`, which `configure` has seen."""
        self._cursor = connection.cursor()

    def rows(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        try:
            return self._cursor.execute(query, values).fetchall()
        except psycopg.Error as exc:
            raise translated(exc) from exc

    def run(self, query: LiteralString, *values: Any) -> int:
        """Execute a statement; return how many rows it touched."""
        try:
            return self._cursor.execute(query, values).rowcount
        except psycopg.Error as exc:
            raise translated(exc) from exc

    def named(self, query: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query that names its parameters."""
        try:
            return self._cursor.execute(query, values).fetchall()
        except psycopg.Error as exc:
            raise translated(exc) from exc

    def asked(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query that was composed for this one question, about many people: planned for itself."""
        try:
            self._cursor.execute(_FREELY)
            rows = self._cursor.execute(query.encode(), values, prepare=False).fetchall()
            self._cursor.execute(_AS_EVER)
        except psycopg.Error as exc:
            raise translated(exc) from exc
        return rows

    def define(self, statement: sql.Composed) -> None:
        """Execute a statement that changes the schema."""
        try:
            self._cursor.execute(statement)
        except psycopg.Error as exc:
            raise translated(exc) from exc

    def one(self, query: LiteralString, *values: Any) -> Any:
        """Return the only column of the only row."""
        return self.rows(query, *values)[0][0]


def translated(exc: psycopg.Error) -> EngageError:
    """Return our error for one of the driver's, and take the values of rows out of the driver's own text."""
    text = exc.diag.message_primary or type(exc).__name__
    exc.args = (text,)
    match exc:
        case errors.UniqueViolation() if exc.diag.constraint_name in _RACES:
            return IdentityRaceError(text)
        case _ if isinstance(exc, _BUSY):
            return StorageBusyError(text)
        case _ if isinstance(exc, _REFUSED):
            return StorageRefusedError(text)
        case _ if isinstance(exc, _AWAY):
            return StorageAwayError(text)
        case _:
            raise exc


def uuids(values: Iterable[str]) -> str:
    """Return distinct ids as the parameter of `= ANY(%s::uuid[])`: PostgreSQL's own text for an array.

    The driver's way with lists costs microseconds an element, which would be the dearest part of most reads.
    """
    return "{" + ",".join(set(values)) + "}"


def texts(values: Iterable[str]) -> str:
    """Return distinct texts as the parameter of `= ANY(%s::text[])`."""
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in set(values)]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


def numbers(values: Iterable[int]) -> str:
    """Return numbers as the parameter of `= ANY(%s::bigint[])`."""
    return "{" + ",".join(map(str, values)) + "}"
