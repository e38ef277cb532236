"""The reference is what the code says, and every example in it is true."""

import re
from pathlib import Path

import pytest

from engage.cli.main import COMMANDS
from engage.cli.manual import examples as examples
from engage.cli.manual.pages import commands, pages
from engage.domain.expression import Place, compile_expression
from engage.project.load import load_source

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / "docs/reference"
PLACES = (Place.STEP, Place.WAIT, Place.AUDIENCE, Place.WHEN, Place.ENTRY_WHERE, Place.TRIGGER_WHERE)


def test_the_pages_are_what_the_code_says() -> None:
    made = pages()

    assert {path.name for path in REFERENCE.glob("*.md")} == {*made, "coverage.md"}
    stale = [name for name, text in made.items() if (REFERENCE / name).read_text() != text]
    assert stale == [], "run scripts/reference"


def test_every_command_and_every_option_says_what_it_does() -> None:
    silent = [path for path, command in commands() if not command.help and path != "sandbox"]
    mute = [
        f"{path} {option.opts[0]}"
        for path, command in commands()
        for option in command.params
        if option.param_type_name == "option" and not getattr(option, "help", None)
    ]

    assert (silent, mute) == ([], [])


def test_every_command_is_on_the_page_of_commands() -> None:
    page = (REFERENCE / "commands.md").read_text()

    assert [name for name in COMMANDS if f"## engage {name}\n" not in page] == []


@pytest.mark.parametrize("verb", sorted(examples.STEPS))
def test_the_example_of_a_step_is_one(verb: str) -> None:
    steps = examples.STEPS[verb].replace("\n", "\n  ")
    text = f"journey: j\ntrigger: {{api: true}}\nsteps:\n  {steps}\n"

    form, problems = load_source("journey", "j", text)

    assert (form is not None, problems) == (True, [])


@pytest.mark.parametrize("name", sorted(examples.TRIGGERS))
def test_the_example_of_a_trigger_is_one(name: str) -> None:
    trigger = examples.TRIGGERS[name].replace("\n", "\n  ")

    form, problems = load_source(
        "journey", "j", f"journey: j\ntrigger:\n  {trigger}\nsteps: [{{wait: 1 day}}]\n"
    )

    assert (form is not None, problems) == (True, [])


@pytest.mark.parametrize(
    "source",
    [
        example
        for words in (examples.FUNCTIONS, examples.FILTERS, examples.TESTS)
        for example, _ in words.values()
    ],
)
def test_the_example_of_an_expression_is_one(source: str) -> None:
    if source.startswith("secret("):
        assert compile_expression(source, Place.SECRET_TEXT).source == source
        return
    refusals = []
    for place in PLACES:
        try:
            compile_expression(source, place)
        except Exception as exc:
            refusals.append(str(exc))
        else:
            return
    pytest.fail("\n".join(refusals))


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in (REPOSITORY / "docs").rglob("*.md")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []
