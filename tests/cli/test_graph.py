"""A picture of a journey shows every step once, keeps its cards apart, and stands alone."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.journey.journey import Journey
from engage.project.graph.data import journey_data
from engage.project.graph.layout import CARD_WIDTH, CardAt, LineAt, NodeAt, PillAt, bounds, lay_out
from engage.project.graph.mermaid import journey_mermaid
from engage.project.graph.svg import journey_svg
from engage.project.graph.tree import GraphNumbers, StepCount, flow_of
from engage.project.load import load_project, load_source
from tests.cli.conftest import Author

REPOSITORY = Path(__file__).resolve().parents[2]
SHOP = load_project(REPOSITORY, scenarios=False).journeys

STEPS: st.SearchStrategy[Any] = st.deferred(lambda: st.lists(STEP, min_size=1, max_size=4))
STEP: st.SearchStrategy[Any] = st.one_of(
    st.just({"wait": "1 hour"}),
    st.just({"sms": {"text": "Hello, this is a text that is long enough to be cut somewhere"}}),
    st.just({"exit": "done"}),
    st.builds(lambda steps: {"branch": [{"if": "profile.plan == 'pro'", "then": steps}]}, STEPS),
    st.builds(lambda a, b: {"branch": [{"if": "profile.a", "then": a}, {"else": b}]}, STEPS, STEPS),
    st.builds(lambda a: {"email": {"text": "x"}, "if_not_sent": {"capped": a, "default": "exit"}}, STEPS),
    st.builds(
        lambda a, b: {
            "wait_for": {
                "timeout": "1 day",
                "branches": [{"event": "A", "then": a}, {"event": "B"}],
                "on_timeout": b,
            }
        },
        STEPS,
        STEPS,
    ),
    st.builds(lambda a: {"repeat": {"times": 3, "steps": a}}, STEPS),
)


@st.composite
def journeys(draw: st.DrawFn) -> Journey:
    return Journey.model_validate({"journey": "j", "trigger": {"event": "Go"}, "steps": draw(STEPS)})


@given(journeys())
def test_no_two_cards_or_labels_lie_on_each_other(journey: Journey) -> None:
    shapes = [s for s in lay_out(flow_of(journey).items).shapes if isinstance(s, CardAt | NodeAt | PillAt)]

    for one, other in combinations(shapes, 2):
        a, b = bounds([one]), bounds([other])
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one, other)


@given(journeys())
def test_every_line_leads_down_or_aside_and_only_loops_lead_up(journey: Journey) -> None:
    loops = any(node.step.verb == "repeat" for node in journey.program.walk())
    for shape in lay_out(flow_of(journey).items).shapes:
        if isinstance(shape, LineAt) and not loops:
            heights = [y for _, y in shape.points]
            assert heights == sorted(heights)


@given(journeys())
def test_no_step_is_drawn_twice_and_nothing_else_is_drawn(journey: Journey) -> None:
    drawn = re.findall(r'data-path="([^"]*)"', journey_svg(journey))

    assert len(drawn) == len(set(drawn))
    assert set(drawn) <= {"trigger", *journey.program.nodes}


@pytest.mark.parametrize("name", sorted(SHOP))
def test_a_picture_of_the_sample_shop_is_well_formed_and_loads_nothing(name: str) -> None:
    svg = journey_svg(SHOP[name])

    ET.fromstring(svg)
    assert SHOP[name].title in svg
    assert "href" not in svg
    steps = {path for path in SHOP[name].program.nodes if SHOP[name].program.nodes[path].step.verb != "exit"}
    assert steps <= set(re.findall(r'data-path="([^"]*)"', svg))


@pytest.mark.parametrize("name", sorted(SHOP))
def test_the_same_journey_gives_the_same_picture(name: str) -> None:
    assert journey_svg(SHOP[name]) == journey_svg(SHOP[name])
    assert journey_mermaid(SHOP[name]) == journey_mermaid(SHOP[name])


def test_everything_stays_inside_the_picture() -> None:
    for journey in SHOP.values():
        svg = journey_svg(journey)
        wide = float(re.search(r'width="([\d.]+)"', svg).group(1))  # type: ignore[union-attr]  # our own text
        for x in re.findall(r'<rect x="(-?[\d.]+)"', svg):
            assert 0 <= float(x) <= wide - CARD_WIDTH / 10


def test_numbers_are_drawn_where_people_are() -> None:
    numbers = GraphNumbers(
        entered=1234,
        inside=56,
        goals=7,
        ended={"completed": 1178},
        steps={"1": StepCount(entered=1200, waiting=42)},
    )

    svg = journey_svg(SHOP["abandoned-cart"], numbers)

    for shown in ("1,234", "56", "inside now", "1,178", "1,200", "42 here"):
        assert shown in svg


def test_hostile_words_stay_words() -> None:
    form, _ = load_source(
        "journey",
        "j",
        "journey: j\ntitle: <script>alert(1)</script>\ntrigger: {event: '</text><x>'}\nsteps: [{exit: '<b>&'}]",
    )
    assert isinstance(form, Journey)

    svg = journey_svg(form)

    ET.fromstring(svg)
    assert "<script" not in svg
    assert "<x>" not in journey_mermaid(form)


def test_files_are_drawn_by_their_ending(author: Author) -> None:
    author.run("graph", "welcome", "-o", "w.svg")
    author.run("graph", "welcome", "-o", "w.mmd")

    ET.fromstring((author.folder / "w.svg").read_text())
    assert (author.folder / "w.mmd").read_text() == author.run("graph", "welcome")
    assert "name it .svg, .png or .mmd" in author.run("graph", "welcome", "-o", "w.gif", code=2)
    assert "did you mean `welcome`?" in author.run("graph", "wellcome", code=2)


def test_a_png_needs_a_browser_and_says_so(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert "needs Chromium or Chrome" in author.run("graph", "welcome", "-o", "w.png", code=1)


@pytest.mark.browser
def test_a_png_is_drawn(author: Author, chromium: Path) -> None:
    del chromium
    author.run("graph", "welcome", "-o", "w.png")

    assert (author.folder / "w.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.live
def test_a_picture_of_a_live_journey_has_its_numbers(shop: Author) -> None:
    shop.json("publish")
    shop.identify("ada", email="ada@home.example")
    shop.track("ada", "Signed Up")

    shop.run("graph", "welcome", "-o", "w.svg")
    assert "1 here" in (shop.folder / "w.svg").read_text()

    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.run("graph", "welcome", "-o", "w.svg")
    assert "1 here" not in (shop.folder / "w.svg").read_text()
    assert "inside now" in (shop.folder / "w.svg").read_text()


def test_at_night_every_colour_has_another_and_words_stay_readable() -> None:
    journey = SHOP["appointment-reminder"]
    numbers = GraphNumbers(
        entered=9, inside=2, goals=0, ended={"confirmed": 7}, steps={"1": StepCount(entered=9, waiting=2)}
    )
    svg = journey_svg(journey, numbers)
    style, _, drawn = svg.partition("</style>")

    used = {
        (element, attribute, colour)
        for element, rest in re.findall(r"<(text|rect|circle|path)([^>]*)>", drawn)
        for attribute, colour in re.findall(r'(fill|stroke)="(#[0-9a-f]{6})"', rest)
    }
    for element, attribute, colour in used:
        if (element, colour) in (("text", "#ffffff"), ("path", "#ffffff")) or colour in (
            "#a9b4c0",
            "#c5cdd6",
        ):
            continue  # words on what is dark by day too
        assert f'{element}[{attribute}="{colour}"]' in style or f'[{attribute}="{colour}"]' in style, (
            f"{element} {attribute} {colour} stays as it is by day"
        )
    card = re.search(r'rect\[fill="#ffffff"\]\{fill:(#\w+)\}', style)
    assert card is not None
    for ink in re.findall(r'text\[fill="#\w+"\]\{fill:(#\w+)\}', style):
        assert contrast(ink, card[1]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG measures it."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_keep_to_the_room_that_was_measured_whatever_the_font() -> None:
    svg = journey_svg(SHOP["appointment-reminder"])

    words = re.findall(r"<text([^>]*)>([^<]{3,})</text>", svg)
    assert words
    assert all("textLength=" in attributes for attributes, _ in words)


NUMBERS = GraphNumbers(
    entered=1234, inside=7, goals=3, steps={"1": StepCount(entered=1200, waiting=5), "2": StepCount()}
)


def test_a_diagram_tells_the_numbers_of_its_steps() -> None:
    text = journey_mermaid(SHOP["abandoned-cart"], NUMBERS)

    assert "1,234 entered<br/>7 inside now<br/>3 reached the goal" in text
    assert text.count("1,200 came · 5 here") == 1
    assert "5 here" not in journey_mermaid(SHOP["abandoned-cart"])


@given(journeys())
def test_the_data_hold_every_step_once_with_its_numbers(journey: Journey) -> None:
    data = journey_data(journey, NUMBERS)
    paths = re.findall(r"'path': '([^']*)'", str(data))

    assert set(journey.program.nodes) <= set(paths)
    assert len(paths) == len(set(paths))
    assert data["steps"][0]["path"] == "0"
    assert "waiting" not in str(journey_data(journey))


def test_json_is_the_journey_as_data(author: Author) -> None:
    found = json.loads(author.run("graph", "welcome", "--json"))

    assert (found["journey"], found["steps"][0]["id"]) == ("welcome", "hello")
    assert "leave `-o` out" in author.run("graph", "welcome", "--json", "-o", "w.mmd", code=2)
