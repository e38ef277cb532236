"""Every scenario of ours and of the sample shop holds: in memory, and through PostgreSQL with the same result."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engage.testing.collect import Found, Projects, files_of, scenarios_in
from engage.testing.live import live_stores
from engage.testing.rendering import Renderers
from engage.testing.run import Stores, in_memory, play_scenario

HERE = Path(__file__).parent
SHOP = HERE.parents[1] / "journeys" / "tests"
FILES = files_of([HERE, SHOP])
PROJECTS, RENDERERS = Projects(), Renderers()


def failures(found: Found, stores: Stores) -> list[str]:
    if found.scenario is None or found.problems:
        return [str(problem) for problem in found.problems]
    return list(play_scenario(found.scenario, PROJECTS.at(found.root), stores, RENDERERS))


def named(file: Path) -> str:
    return f"{file.parent.parent.name}-{file.stem}"


@pytest.fixture(scope="session")
def stores(postgres_url: str) -> Iterator[Stores]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE scenarios")
    with live_stores(psycopg.conninfo.make_conninfo(postgres_url, dbname="scenarios")) as live:
        yield live


@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_scenario_holds(file: Path) -> None:
    broken = {one.name: told for one in scenarios_in([file]) if (told := failures(one, in_memory))}

    assert broken == {}


@pytest.mark.live
@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_scenario_holds_on_postgresql(file: Path, stores: Stores) -> None:
    broken = {one.name: told for one in scenarios_in([file]) if (told := failures(one, stores))}

    assert broken == {}


def test_there_are_enough_of_them() -> None:
    assert len(list(scenarios_in(FILES))) >= 150
