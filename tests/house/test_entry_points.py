"""The threat model names every entry point, what checks it and the test: read from the code, so that a new one needs a row."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path

import click
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from engage.channels.registry import ChannelSettings, build_webhooks
from engage.cli.main import engage
from engage.cli.serve import console_deps
from engage.console.app import create_console, mount_console
from tests.access.test_authorisation import WIRE, api_routes
from tests.api.world import World
from tests.fuzz.seeds import PUBLIC_KEY
from workers.app import app as celery

import_module("workers.tasks")  # so that the tasks are known
REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/security.md").read_text()
TABLE = PAGE.partition("## Every entry point")[2].partition("\n## ")[0]
ROWS = [
    [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:4]]
    for line in TABLE.splitlines()
    if line.startswith("| `")
]


def commands(group: click.Group, before: str = "engage") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=before)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, f"{before} {name}")
        elif found is not None:
            yield f"{before} {name}", found


def entries() -> Iterator[str]:
    """Yield every way in: routes, commands that read or write a file, tasks."""
    world = World()
    yield from (f"{method} {path}" for method, path in api_routes(world.app.routes))
    yield from (f"POST {path}" for path in WIRE)
    yield from ("GET /v1/pixel/track", "GET /v1/projects/key/settings")
    settings = ChannelSettings(
        public_url="https://a.example",
        account_sid="AC1",
        auth_tokens=("t",),
        sendgrid_public_keys=(PUBLIC_KEY,),
    )
    yield from (f"POST /webhooks/{hook.path}" for hook in build_webhooks(settings))
    deps = console_deps(world.deps, world.admit)
    for route in create_console(deps).routes:
        assert isinstance(route, Route)
        yield from (f"{method} /console{route.path}" for method in (route.methods or set()) - {"HEAD"})
    known = len(world.app.routes)
    mount_console(world.app, deps)
    yield from (
        f"GET {route.path}"
        for route in world.app.routes[known:]
        if isinstance(route, Route) and not isinstance(route, APIRoute)
    )
    for name, command in commands(engage):
        if any(isinstance(parameter.type, click.Path | click.File) for parameter in command.params):
            yield name
    yield from (name for name in celery.tasks if not name.startswith("celery."))


ENTRIES = sorted(set(entries()))
PATTERNS = [pattern for row in ROWS for pattern in row[0]]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_point_has_a_row(entry: str) -> None:
    assert [pattern for pattern in PATTERNS if fnmatchcase(entry, pattern)], (
        "docs/security.md, Every entry point"
    )


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_row_is_about_something(pattern: str) -> None:
    assert [entry for entry in ENTRIES if fnmatchcase(entry, pattern)]


def test_what_checks_and_what_proves_is_there() -> None:
    named = [path for row in ROWS for cell in row[1:] for path in cell]

    assert all(row[1] and row[2] for row in ROWS)
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
