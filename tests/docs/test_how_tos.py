"""Whoever follows a how-to to the letter, in a new project, has a journey that passes; each is followed here."""

import json
import re
import shlex
from pathlib import Path

import pytest

from engage.domain.catalog import JourneyState
from tests.cli.conftest import Author

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
RECIPES = ("abandoned-cart", "appointment", "dunning", "newsletter", "back-in-stock", "nps", "double-opt-in")
FILE = re.compile(r"^`([^`]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOPICS = re.compile(
    r"^In `journeys/settings.yaml`, below `topics:`:\n\n```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL
)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def follow(author: Author, page: str) -> None:
    """Do to the project what a page says: write its files, and its topics into the settings."""
    text = (HOW_TO / f"{page}.md").read_text()
    for topic in TOPICS.findall(text):
        settings = (author.folder / "journeys/settings.yaml").read_text()
        before, line, after = re.split(r"(^topics:.*\n)", settings, maxsplit=1, flags=re.MULTILINE)
        author.write("journeys/settings.yaml", before + line + topic + after)
    files = FILE.findall(text)
    assert files
    for path, content in files:
        author.write(path, content)


@pytest.mark.parametrize("page", RECIPES)
def test_following_a_recipe_passes_its_own_proof(author: Author, page: str) -> None:
    follow(author, page)
    text = (HOW_TO / f"{page}.md").read_text()

    assert "0 errors, 0 warnings" in author.run("check", "--strict")
    verdict = author.json("test")
    proofs = re.findall(r"^scenario: (.*)$", text, re.MULTILINE)
    assert proofs
    assert {one["name"] for one in verdict["scenarios"] if one["ok"]} >= set(proofs)
    assert verdict["failed"] == 0


def test_all_recipes_live_in_one_project(author: Author) -> None:
    for page in RECIPES:
        if page != "double-opt-in":  # its newsletter asks for more than that of `newsletter`
            follow(author, page)

    assert "0 errors, 0 warnings" in author.run("check", "--strict")
    assert author.json("test")["failed"] == 0


def test_every_recipe_is_on_the_list() -> None:
    recipes = {page.stem for page in HOW_TO.glob("*.md") if "## The proof" in page.read_text()}

    assert recipes == set(RECIPES)


def test_the_editor_s_schemas_are_written_as_the_page_says_and_every_mapping_has_its_file(
    author: Author,
) -> None:
    text = (HOW_TO / "editor.md").read_text()
    for line in "".join(CONSOLE.findall(text)).splitlines():
        words = shlex.split(line.removeprefix("$ "))
        if words[0] == "engage":
            shown = author.run(*words[1:3])
            if ">" in words:
                author.write(words[words.index(">") + 1], shown)

    mapping = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])["yaml.schemas"]
    for schema, patterns in mapping.items():
        assert "$schema" in json.loads((author.folder / schema).read_text())
        wanted = [patterns] if isinstance(patterns, str) else patterns
        if "voice" not in schema and "trait" not in schema:  # the starter has neither
            assert list(author.folder.glob(wanted[0])), f"nothing matches {wanted[0]}"


@pytest.mark.live
def test_what_operators_type_works_in_the_order_of_the_page(
    shop: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGE_WRITE_KEYS", "k:server")
    monkeypatch.delenv("ENGAGE_BROKER_URL")  # doctor then looks for no worker
    shop.run("publish", "--yes")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.run("publish", "--yes")
    lines = "".join(CONSOLE.findall((HOW_TO / "operate.md").read_text())).splitlines()
    assert len(lines) > 10

    for line in lines:
        shop.run(*shlex.split(line.removeprefix("$ engage ")), answer="y\n")

    with shop.runtime() as runtime:
        assert runtime.catalog().journeys["welcome"].state is JourneyState.ARCHIVED
