"""The console stands beside the API, and lets in whoever holds a token that may read profiles."""

import pytest

from engage.cli.serve import console_deps
from engage.console.app import mount_console
from tests.api.world import ADMIN, World, calling


@pytest.mark.parametrize(("token", "status"), [(ADMIN, 303), ("reader", 303), ("nobody's", 403)])
def test_api_tokens_open_the_console(token: str, status: int) -> None:
    world = World()
    mount_console(world.app, console_deps(world.deps, world.admit))

    with calling(world) as client:
        assert client.get("/console/").headers["location"] == "/console/login"
        assert client.post("/console/login", data={"token": token}).status_code == status
        assert client.get("/healthz").status_code == 200
        assert client.get("/console").headers["location"] == "/console/"
