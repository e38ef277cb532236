"""What the pages tell people to type works: the tutorial is followed to the letter, every other command is at least one."""

import re
import shlex
from pathlib import Path

import click
import pytest

from engage.cli.main import engage
from engage.project.load import load_source, read_scenarios
from tests.cli.conftest import Author

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "journeys/README.md"]
)
PAGES = [page for page in PAGES if "reference" not in page.parts]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
TUTORIAL = (REPOSITORY / "docs/tutorial.md").read_text()


def blocks(text: str, kind: str) -> list[str]:
    return [body for found, body in FENCE.findall(text) if found == kind]


def typed(text: str) -> list[str]:
    """Return the `engage …` command lines of a page: those of consoles, and those in running text."""
    lines = [line for body in blocks(text, "console") for line in body.splitlines()]
    found = [line.removeprefix("$ ") for line in lines if line.startswith("$ engage ")]
    return found + [code for code in re.findall(r"`(engage [^`]+)`", text) if not set(code) & set("…{}|")]


COMMANDS = sorted({command for page in PAGES for command in typed(page.read_text())})


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 5


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_pages_is_one_with_these_options(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    group: click.Command = engage
    parent: click.Context | None = None
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        parent = click.Context(group, parent=parent, info_name="engage")
        name = words.pop(0)
        found = group.get_command(parent, name)
        assert found is not None, f"there is no command {name}"
        group = found
    known = {option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-")} - {"--help"}
    if group.name != "sandbox":  # its options are its own program's
        assert given <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_files_are_sound(page: Path) -> None:
    wrong = []
    for body in blocks(page.read_text(), "yaml"):
        kind, _, rest = body.partition(":")
        name = rest.partition("\n")[0].strip()
        if kind in ("journey", "audience", "trait"):
            wrong += load_source(kind, name, body)[1]
        elif kind == "scenario":
            wrong += read_scenarios(body, page.name)[1]

    assert list(map(str, wrong)) == []


@pytest.fixture
def tea_house(author: Author, monkeypatch: pytest.MonkeyPatch) -> Author:
    """Somebody who followed the tutorial up to the scenarios."""
    monkeypatch.chdir(author.folder.parent)
    author.run("init", "tea-house")
    monkeypatch.chdir(author.folder.parent / "tea-house")
    house = Author(author.folder.parent / "tea-house")
    files = {
        "templates/tasting/sms.txt": blocks(TUTORIAL, "text")[1],
        "templates/tasting/email.html": blocks(TUTORIAL, "html")[0],
        "templates/tasting/meta.yaml": blocks(TUTORIAL, "yaml")[0],
        "journeys/tasting.yaml": blocks(TUTORIAL, "yaml")[1],
        "journeys/tests/tasting.yaml": blocks(TUTORIAL, "yaml")[3],
    }
    for path, text in files.items():
        assert f"`{path}`" in TUTORIAL or path.rpartition("/")[2] in TUTORIAL
        house.write(path, text)
    return house


def test_following_the_tutorial_passes(tea_house: Author) -> None:
    assert "0 errors, 0 warnings" in tea_house.run("check")
    assert tea_house.json("test")["failed"] == 0
    tea_house.run("graph", "tasting", "-o", "tasting.svg")


def test_breaking_it_as_the_tutorial_says_tells_what_it_says(tea_house: Author) -> None:
    typo, hole = (body.strip() for body in blocks(TUTORIAL, "text")[2:4])

    tea_house.edit("journeys/tasting.yaml", "timeout: 2 days", "timout: 2 days")
    assert typo in tea_house.run("check", code=1)
    tea_house.edit("journeys/tasting.yaml", "timout: 2 days", "timeout: 2 days")

    tea_house.edit("templates/tasting/sms.txt", "Come by.", "Come by. {{ with.price }}")
    assert hole in tea_house.run("check", code=1)
    tea_house.edit("templates/tasting/sms.txt", "Come by. {{ with.price }}", "Come by.")

    tea_house.edit(
        "journeys/tasting.yaml", "exit_when:\n  - event: Tasting Visited\n    reason: came by\n", ""
    )
    assert "0 errors" in tea_house.run("check")
    assert tea_house.json("test", code=1)["failed"] == 1


@pytest.mark.live
def test_publishing_as_the_tutorial_says_and_asking_why(shop: Author, tea_house: Author) -> None:
    del shop
    tea_house.run("plan")
    tea_house.run("publish", answer="y\n")
    tea_house.identify("ada", email="ada@home.example")
    tea_house.track("ada", "Tea Opened", tea="Spring oolong")

    assert "email tasting, topic promotions: sent" in tea_house.run("why", "ada", "tasting")
    assert "no version before 1" in tea_house.run("rollback", "tasting", code=1)
