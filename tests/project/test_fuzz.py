"""Mutations of real files — the sample shop's and the scenarios' — never make `check` or `test` fall over."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engage.compiled import template_problems
from engage.domain.expression import ExpressionError, Place, compile_expression, compile_text
from engage.project.kinds import Kind, read_definition
from engage.project.load import load_project, read_scenarios
from engage.project.problem import Problem
from engage.project.template_forms import read_template
from engage.testing.collect import files_of

REPOSITORY = Path(__file__).resolve().parents[2]
JOURNEYS = sorted((REPOSITORY / "journeys").glob("*.yaml"))
AUDIENCES = sorted((REPOSITORY / "journeys" / "audiences").glob("*.yaml"))
SCENARIOS = files_of([REPOSITORY / "tests" / "scenarios"])
TEMPLATES = sorted(path for path in (REPOSITORY / "templates").rglob("*") if path.is_file())
_SIGNS = st.sampled_from(
    [*"{}[]()#:,'\"|>&*!%@`-+=~? \t\n\\", "{{", "}}", "{%", " #", "- ", ": ", "\u2028", "\ud7ff", "0", "…"]
)


@st.composite
def mutated(draw: st.DrawFn, files: list[Path]) -> str:
    """A file with a few places cut out, doubled, swapped, or filled with what means something to YAML or Jinja."""
    text = draw(st.sampled_from(files)).read_text(encoding="utf-8")
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        put = draw(st.one_of(_SIGNS, st.just(""), st.just(text[start:end] * 2), st.text(max_size=5)))
        text = text[:start] + put + text[end:]
    return text


def told(problems: list[Problem]) -> None:
    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert "Traceback" not in str(problem)


@given(text=mutated(JOURNEYS))
def test_no_mutation_of_a_sample_file_makes_check_fall_over(text: str) -> None:
    definition, problems = read_definition(Kind.JOURNEY, "a", text, "a.yaml")

    told(problems)
    assert definition.form is not None or problems


@given(text=mutated([*AUDIENCES, REPOSITORY / "journeys" / "settings.yaml"]))
def test_no_mutation_of_a_rule_or_a_setting_makes_check_fall_over(text: str) -> None:
    for kind in (Kind.AUDIENCE, Kind.SETTINGS, Kind.TRAIT):
        definition, problems = read_definition(kind, "a", text, "a.yaml")
        told(problems)
        assert definition.form is not None or problems


@given(text=mutated(SCENARIOS))
@settings(max_examples=60)
def test_no_mutation_of_a_scenario_makes_the_reader_fall_over(text: str) -> None:
    _, problems = read_scenarios(text, "s.yaml")

    told(problems)


@given(text=mutated(TEMPLATES), data=st.data())
@settings(max_examples=60)
def test_no_mutation_of_a_template_makes_it_fall_over(text: str, data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(
            ["sms.txt", "email.html", "email.mjml", "voice.yaml", "whatsapp.yaml", "meta.yaml", "voice.xml"]
        )
    )
    template, problems = read_template("t", {name: text}, "templates/t")
    told(problems)
    if not problems:
        project = load_project(REPOSITORY / "engage" / "project" / "starter", scenarios=False, warnings=False)
        project.templates["t"] = template
        told(template_problems(project))


@given(
    source=mutated([REPOSITORY / "docs" / "reference" / "expressions.md"]),
    start=st.integers(0, 5000),
    length=st.integers(1, 80),
)
def test_no_piece_of_text_makes_an_expression_fall_over(source: str, start: int, length: int) -> None:
    piece = source[start % max(len(source), 1) :][:length]
    for compiled in (compile_expression, compile_text):
        try:
            compiled(piece, Place.WAIT)
        except ExpressionError as exc:
            refused = exc
        else:
            continue
        assert refused.message
        assert 0 <= refused.offset <= len(piece)
