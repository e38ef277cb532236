"""Dump: a whole database into one file and back, by PostgreSQL's own programs."""

import os
import subprocess
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from engage.embedded.errors import EmbeddedError
from engage.embedded.programs import postgres_folders
from engage.files import private_file

SAID_AT_MOST = 2_000
"""Characters of what a program complained about."""


def dump(url: str, file: Path) -> None:
    """Write the database as one consistent snapshot to `file`, readable by its owner only; it is there whole or not at all.

    Raises:
        EmbeddedError: there is no `pg_dump`, or it failed.
    """
    with private_file(file) as scratch:
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", output=scratch)


def load(url: str, file: Path) -> None:
    """Fill an empty database from `file`, in one transaction: all of it or nothing.

    Raises:
        EmbeddedError: there is no `pg_restore`, the file is none of its kind, or the database is not empty.
    """
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    _run("pg_restore", url, *options, str(file))


def _run(program: str, url: str, *arguments: str, output: BinaryIO | None = None) -> None:
    there = next((folder for folder in postgres_folders() if os.access(folder / program, os.X_OK)), None)
    if there is None:
        raise EmbeddedError(f"`{program}` is not on this machine: install PostgreSQL's client programs")
    place, password = _without_password(url)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": password})
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, found by us
        [there / program, f"--dbname={place}", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if output is None else output,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise EmbeddedError(f"{program} failed: {said[:SAID_AT_MOST]}")


def _without_password(url: str) -> tuple[str, str | None]:
    """Return the URL for a command line, which every account of the machine can read, and the password apart."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, None
    name = quote(unquote(parts.username or ""), safe="")
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{name}@{host}").geturl(), unquote(parts.password)
