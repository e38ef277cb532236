"""Scenarios become typed values: every form of the catalogue, times resolved, ranges expanded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Channel, Mark, SkipReason
from engage.project.load import read_scenarios
from engage.project.scenario import (
    ITEMS,
    Answer,
    AnswerKind,
    Expect,
    Identify,
    Item,
    MembersChange,
    ProviderAnswers,
    Publish,
    Scenario,
    Track,
)
from engage.project.scenario.ranges import RangeError, expand

START = datetime(2026, 3, 1, 15, tzinfo=UTC)

CATALOGUE = """\
scenario: the cart is nudged, then bought
start: 2026-03-01T10:00:00-05:00
use: [abandoned-cart]
audiences: {rich: "profile.plan == 'pro'", beta: {members: manual}}
traits: {ltv: "sum('Order Completed', 'total')"}
journeys:
  - {journey: j1, trigger: {event: Go}, steps: [{sms: hi}]}
templates: {hi: {sms: "Hi {{ profile.name }}", meta: {subject: Hi}, email: "<p>Hi</p>", email.txt: Hi, sms.fr: Salut}}
settings: {timezone: America/New_York}
published: [j1, rich]
choose: {pick: {ada: a}, holdout: [bob]}
timeline:
  - {at: -1d, track: ada, event: Signed Up}
  - {at: 0s, identify: ada, traits: {email: ada@shop.example, phone: "+14155550101", plan: pro}}
  - {at: 0s, subscribe: ada, channel: sms, topic: promotions}
  - {at: 0s, unsubscribe: ada, channel: sms, topic: promotions}
  - {at: 1s, track: ada, event: Cart Updated, properties: {total: 80, cart_id: c1}, id: m-1, timestamp: -5s}
  - {at: 2s, alias: ada, previous: anon-1}
  - {at: 1h, receipt: delivered, of: {step: nudge, to: ada, journey: j1, n: 1}, id: r-1, code: 30003, url: "https://x", digits: "1"}
  - {at: 1h, receipt: bounced, of: {step: 0}, hard: false}
  - {at: 1h, inbound: ada, channel: sms, body: "STOP"}
  - {at: 2h, provider: sms, answers: [503, "429 retry 30s", 21610, timeout, timeout lost, ok]}
  - {at: 3h, pause: j1}
  - {at: 3h, resume: j1}
  - {at: 3h, archive: j1}
  - {at: 3h, publish: rich}
  - {at: 3h, publish: {audience: late, where: profile.plan == 'x'}}
  - {at: 3h, audience: beta, add: [ada]}
  - {at: 3h, audience: beta, replace: []}
  - {at: 3h, audience: beta, clear: true}
  - {at: 3h, start: j2, for: ada, with: {x: 1}, key: k}
  - {at: 3h, confirm: ada, channel: email, topic: newsletter}
  - {at: 3h, page: ada, name: Pricing, properties: {}}
  - {at: 3h, screen: ada, name: Home}
  - {at: 3h, provider: webhook, answers: [200, {status: 200, body: {score: 7}}]}
  - {at: 3h, signal: Product Restocked, properties: {sku: s1}}
  - {at: 3h, group: ada, group_id: g, traits: {}}
  - at: 2026-03-01T14:00:00-05:00
    expect:
      audiences: {rich: {in: [ada], out: [bob]}, vip: {count: 0}}
      traits: {ada: {ltv: 80, gone: null}}
      runs: {j1: {active: 1, entries: 1, ended: {goal: 0, completed: 1}}, j2: {ended: 3}}
      at_step: {ada: {j1: "2", j2: null, j3: [1, "2.then.0"]}}
      sent: {count: 2, to: {ada: 2}, step: {nudge: 1}, channel: {sms: 1}}
      messages: [{to: ada, channel: sms, at: 1h, body: "Hi", contains: "80", template: hi, step: "0", subject: Hi}]
      skipped: [{to: bob, step: nudge, reason: no_address}]
      failed: [{to: bob, code: 30005}]
      status: [{of: {step: nudge, to: ada}, is: delivered}]
      webhooks: [{url: "https://x", body: {a: 1}}]
      handoffs: [{workflow: w}]
      subscribed: {ada: {sms: {promotions: true}}}
      events: {ada: {"Audience Entered": 1}}
      same_person: [ada, anon-1]
  - {at: 5h, forget: ada}
"""


def _scenario(text: str) -> Scenario:
    found, problems = read_scenarios(text, "s.yaml")
    assert [str(problem) for problem in problems] == []
    assert len(found) == 1
    return found[0]


def _items(*lines: str) -> tuple[Item, ...]:
    return _scenario(
        "scenario: s\nstart: 2026-03-01T15:00:00Z\ntimeline:\n" + "".join(f"  - {line}\n" for line in lines)
    ).timeline


def _expected(text: str) -> Any:
    item = _items(f"{{at: 0s, expect: {text}}}")[0]
    assert isinstance(item, Expect)
    return item.expected


def test_every_form_of_the_catalogue_is_read() -> None:
    scenario = _scenario(CATALOGUE)

    assert {item.verb for item in scenario.timeline} == set(ITEMS)
    assert scenario.start == START
    assert scenario.use == ("abandoned-cart",)
    assert [audience.name for audience in scenario.audiences] == ["rich", "beta"]
    assert [trait.name for trait in scenario.traits] == ["ltv"]
    assert [journey.name for journey in scenario.journeys] == ["j1"]
    assert scenario.published == frozenset({"j1", "rich"})
    assert scenario.choices.arms == {"pick": {"ada": "a"}}
    assert scenario.choices.holdout == {"bob"}
    assert scenario.settings is not None
    assert scenario.settings.timezone == "America/New_York"
    assert set(scenario.templates[0].files) == {
        "sms.txt",
        "meta.yaml",
        "email.html",
        "email.txt",
        "sms.fr.txt",
    }
    assert scenario.documents["audience", "rich"] == {"audience": "rich", "where": "profile.plan == 'pro'"}


def test_items_know_their_line() -> None:
    scenario = _scenario(CATALOGUE)

    assert scenario.line == 1
    assert [item.line for item in scenario.timeline[:3]] == [13, 14, 15]


def test_what_a_scenario_does_not_say() -> None:
    scenario = _scenario("scenario: s\ntimeline: [{at: 0s, forget: ada}]\n")

    assert scenario.settings is None
    assert scenario.published is None
    assert scenario.choices.holdout == frozenset()
    assert scenario.use == ()


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("0s", START),
        ("0", START),
        ("-1d", START - timedelta(days=1)),
        ("+2h", START + timedelta(hours=2)),
        ("1h 30m", START + timedelta(minutes=90)),
        ("1.5h", START + timedelta(minutes=90)),
        ("1 day 12 hours", START + timedelta(hours=36)),
        ("-1d 2h", START - timedelta(hours=26)),
        ("1d - 2h", START + timedelta(hours=22)),
        ("100ms", START + timedelta(milliseconds=100)),
        ("2026-03-02T00:00:00+01:00", datetime(2026, 3, 1, 23, tzinfo=UTC)),
        ("'2026-03-02 00:00Z'", datetime(2026, 3, 2, tzinfo=UTC)),
        ("1772377200", START),
        ("1772377200000", START),
    ],
)
def test_times_are_offsets_from_the_start_or_instants(written: str, instant: datetime) -> None:
    assert _items(f"{{at: {written}, forget: ada}}")[0].at == instant


def test_a_timestamp_counts_from_the_item_itself() -> None:
    item = _items("{at: 1h, track: ada, event: X, timestamp: -5m}")[0]

    assert isinstance(item, Track)
    assert item.timestamp == START + timedelta(minutes=55)


def test_items_of_one_instant_keep_the_order_of_the_file() -> None:
    items = _items("{at: 1h, track: b, event: X}", "{at: 60m, track: a, event: X}", "{at: 1h, forget: b}")

    assert [item.line for item in items] == [4, 5, 6]


def test_answers_of_providers() -> None:
    item = _items(
        '{at: 0s, provider: sms, answers: [503, "429 retry 30s", 21610, timeout, timeout lost, ok]}'
    )[0]

    assert isinstance(item, ProviderAnswers)
    assert item.answers == (
        Answer(kind=AnswerKind.STATUS, status=503),
        Answer(kind=AnswerKind.STATUS, status=429, retry_after=timedelta(seconds=30)),
        Answer(kind=AnswerKind.CODE, status=400, code=21610),
        Answer(kind=AnswerKind.TIMEOUT),
        Answer(kind=AnswerKind.TIMEOUT_LOST),
        Answer(kind=AnswerKind.OK, status=200),
    )


def test_a_single_answer_needs_no_list_and_may_have_a_body() -> None:
    item = _items("{at: 0s, provider: webhook, answers: {status: 201, body: {score: 7}}}")[0]

    assert isinstance(item, ProviderAnswers)
    assert item.answers == (Answer(kind=AnswerKind.STATUS, status=201, body={"score": 7}),)


def test_a_whole_document_is_compiled_when_it_is_published() -> None:
    item = _items("{at: 0s, publish: {audience: late, where: profile.plan == 'x'}}")[0]

    assert isinstance(item, Publish)
    assert item.form.name == "late"


def test_expectations_are_typed() -> None:
    expected = _expected(
        "{at_step: {ada: {a: '2', b: null, c: [1, x]}}, runs: {a: {ended: 3}, b: {ended: {goal: 1}}},"
        " skipped: [{to: ada, reason: capped}], status: [{of: {step: 2}, is: clicked}], failed: [{code: 30005}],"
        " webhooks: [{url: u}], messages: []}"
    )

    assert expected.at_step == {"ada": {"a": ("2",), "b": (), "c": ("1", "x")}}
    assert expected.runs["a"].ended == {"": 3}
    assert expected.runs["b"].ended == {"goal": 1}
    assert expected.skipped[0].reason is SkipReason.CAPPED
    assert expected.status[0].is_ is Mark.CLICKED
    assert expected.status[0].of.step == "2"
    assert expected.failed[0].code == "30005"
    assert expected.webhooks[0].keys == {"url": "u"}
    assert expected.messages == ()
    assert expected.handoffs is None


def test_which_keys_of_a_message_were_given_is_known() -> None:
    message = _expected("{messages: [{to: ada, channel: sms}]}").messages[0]

    assert message.model_fields_set == {"to", "channel"}
    assert message.channel is Channel.SMS


def test_a_range_stands_for_many_items() -> None:
    items = _items("""{at: 0s, identify: "u{1..3}", traits: {email: "u{{ n }}@x.example", n: "{{ n }}"}}""")

    assert [item.person for item in items if isinstance(item, Identify)] == ["u1", "u2", "u3"]
    assert [item.traits for item in items if isinstance(item, Identify)][1] == {
        "email": "u2@x.example",
        "n": 2,
    }


def test_ranges_in_lists_and_keys_stay_within_their_item() -> None:
    items = _items("""{at: 0s, audience: beta, add: ["u{1..3}", bob]}""")
    expected = _expected("""{sent: {to: {"u{1..2}": 1}}, messages: [{to: "u{1..2}", body: "Hi {{ n }}"}]}""")

    assert isinstance(items[0], MembersChange)
    assert items[0].add == ("u1", "u2", "u3", "bob")
    assert expected.sent.to == {"u1": 1, "u2": 1}
    assert [(message.to, message.body) for message in expected.messages] == [("u1", "Hi 1"), ("u2", "Hi 2")]


def test_one_range_written_twice_counts_together() -> None:
    items = _items("""{at: 0s, alias: "u{1..2}", previous: "anon-{1..2}"}""")

    assert [(item.person, item.previous) for item in items] == [("u1", "anon-1"), ("u2", "anon-2")]  # type: ignore[attr-defined]  # aliases


def test_a_range_may_spread_its_items_over_time() -> None:
    items = _items(
        """{at: "{{ n }}s", identify: "u{1..3}"}""",
        """{at: "{{ n }}s", track: "u{1..3}", event: X}""",
    )

    assert [type(item) for item in items] == [Identify, Track] * 3


@given(st.integers(0, 500), st.integers(0, 300))
def test_a_range_has_as_many_items_as_it_says(first: int, more: int) -> None:
    found = expand({"identify": f"u{{{first}..{first + more}}}", "n": "{{ n }}"})

    assert len(found) == more + 1
    assert found[-1] == {"identify": f"u{first + more}", "n": first + more}


def test_a_range_without_end_is_refused() -> None:
    with pytest.raises(RangeError):
        expand({"identify": "u{1..10000000}"})


def test_a_broken_scenario_leaves_the_others_of_its_file() -> None:
    found, problems = read_scenarios(
        "scenario: a\ntimeline: [{at: 0s, forget: x}]\n---\nscenario: b\n", "s.yaml"
    )

    assert [scenario.name for scenario in found] == ["a"]
    assert [str(problem) for problem in problems] == ["s.yaml:4:1: missing `timeline`"]


_WORDS = st.sampled_from(
    [*ITEMS, "at", "of", "answers", "event", "properties", "for", "topic", "channel", "add"]
)
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=8),
        st.sampled_from(["0s", "u{1..3}", "{{ n }}"]),
    ),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(_WORDS, below, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(_WORDS, _VALUES, max_size=5), max_size=3))
def test_no_timeline_makes_the_reader_fall_over(timeline: list[dict[str, Any]]) -> None:

    _, problems = read_scenarios(json.dumps({"scenario": "s", "timeline": timeline}), "s.yaml")

    assert all(problem.line >= 1 for problem in problems)
