"""What `check` doubts, and what it leaves in peace: every warning has its opposite."""

from pathlib import Path

import pytest

from engage.project.load import load_project
from engage.project.problem import Level
from tests.project.gallery import write

SETTINGS = """\
topics:
  offers: {sms: opt_in, email: opt_out}
  orders: {transactional: true}
sms: {opt_out_text: Reply STOP to opt out}
"""


BOTH_WAYS = """\
  - branch: [{if: profile.x, then: [{remember: {code: A}}]}, {else: [{remember: {code: B}}]}]
  - sms: {text: '{{ run.code }}'}
"""
OTHER_ENDS = """\
  - branch: [{if: profile.x, then: [{remember: {code: A}}]}, {else: [{exit: b}]}]
  - sms: {text: '{{ run.code }}'}
"""


def warnings(
    root: Path, steps: str, *, settings: str = SETTINGS, more: dict[str, str] | None = None
) -> list[str]:
    journey = f"journey: a\ntopic: offers\ntrigger: {{event: Go}}\nentry: {{reentry: never}}\nsteps:\n{steps}"
    files = {"journeys/a.yaml": journey, "journeys/settings.yaml": settings, **(more or {})}
    project = load_project(write(root, files))
    assert [str(problem) for problem in project.problems if problem.level is Level.ERROR] == []
    return [problem.message for problem in project.problems]


@pytest.mark.parametrize(
    "steps",
    [
        "  - branch: [{if: profile.x, then: [{exit: a}]}]\n  - wait: 1 hour",
        "  - branch: [{if: profile.x, then: [{exit: a}]}, {else: [{wait: 1 hour}]}]\n  - wait: 1 hour",
        "  - wait_for: {event: X, timeout: 1 day, then: [{exit: a}]}\n  - wait: 1 hour",
        "  - wait_for: {event: X, timeout: 1 day, on_timeout: [{exit: a}]}\n  - wait: 1 hour",
        "  - split: {arms: {a: {weight: 1, then: [{exit: a}]}, b: {weight: 1}}}\n    id: s\n  - wait: 1 hour",
        "  - repeat: {times: 2, while: profile.x, steps: [{exit: a}]}\n  - wait: 1 hour",
        "  - sms: {text: hi}\n    if_not_sent: {default: [{exit: a}]}\n  - wait: 1 hour",
    ],
    ids=["branch", "else", "wait_for", "timeout", "split", "repeat", "if_not_sent"],
)
def test_a_step_that_somebody_reaches_is_left_alone(tmp_path: Path, steps: str) -> None:
    assert warnings(tmp_path, steps) == []


@pytest.mark.parametrize(
    "steps",
    [
        "  - exit: a\n  - wait: 1 hour",
        "  - branch: [{if: profile.x, then: [{exit: a}]}, {else: [{exit: b}]}]\n  - wait: 1 hour",
        "  - wait_for: {event: X, timeout: 1 day, then: [{exit: a}], on_timeout: [{exit: b}]}\n  - wait: 1 hour",
        "  - split: {arms: {a: {weight: 1, then: [{exit: a}]}, b: {weight: 1, then: [{exit: b}]}}}\n    id: s\n  - wait: 1h",
        "  - repeat: {times: 2, steps: [{exit: a}, {wait: 1 hour}]}",
        "  - repeat: {times: 2, steps: [{exit: a}]}\n  - wait: 1 hour",
    ],
    ids=["exit", "branch", "wait_for", "split", "inside repeat", "behind repeat"],
)
def test_a_step_that_nobody_reaches_is_pointed_out(tmp_path: Path, steps: str) -> None:
    assert warnings(tmp_path, steps) == ["nobody reaches this step: the one before it ends every run"]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("  - sms: {text: a}\n" * 4, 1),
        ("  - sms: {text: a}\n" * 3, 0),
        ("  - sms: {text: a}\n  - wait: 7 hours\n" * 4, 1),
        ("  - sms: {text: a}\n  - wait: 8 hours\n" * 4, 0),
        ("  - sms: {text: a, topic: orders}\n" * 6, 0),
        ("  - repeat: {times: 9, steps: [{sms: {text: a}}, {wait: 1 hour}]}\n", 1),
        ("  - repeat: {times: 9, steps: [{sms: {text: a}}, {wait: 1 day}]}\n", 0),
        ("  - sms: {text: a}\n  - wait_until: {time: '09:00'}\n" * 4, 0),
    ],
    ids=[
        "four at once",
        "three",
        "seven hours",
        "eight hours",
        "owed",
        "a loop",
        "a slow loop",
        "a day of the wall",
    ],
)
def test_a_day_between_messages_is_enough(tmp_path: Path, steps: str, told: int) -> None:
    found = warnings(tmp_path, steps)

    assert len(found) == told
    assert all("within 24 hours" in message for message in found)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            "  - branch: [{if: profile.x, then: [{remember: {code: A}}]}]\n  - sms: {text: '{{ run.code }}'}",
            1,
        ),
        (BOTH_WAYS, 0),
        ("  - remember: {code: A}\n  - sms: {text: '{{ run.code }}'}", 0),
        ("  - sms: {text: '{{ run.code }}'}\n  - remember: {code: A}", 1),
        ("  - sms: {text: \"{{ run.code | default('x') }}\"}\n  - remember: {code: A}", 0),
        ("  - wait_for: {event: X, as: code, timeout: 1 day}\n  - sms: {text: '{{ run.code.n }}'}", 1),
        (
            "  - wait_for: {event: X, as: code, timeout: 1 day, on_timeout: [{exit: a}]}\n  - sms: {text: '{{ run.code.n }}'}",
            0,
        ),
        ("  - wait_for: {event: X, as: code, timeout: 1 day, then: [{sms: {text: '{{ run.code.n }}'}}]}", 0),
        ("  - branch: [{if: run.code == 1, then: [{exit: a}]}]\n  - remember: {code: A}", 0),
        (
            "  - webhook: {url: 'https://x.example', save_as: code}\n  - sms: {text: '{{ run.code.status }}'}",
            0,
        ),
        (OTHER_ENDS, 0),
        (
            "  - repeat: {times: 2, while: profile.x, steps: [{remember: {code: A}}]}\n  - sms: {text: '{{ run.code }}'}",
            1,
        ),
    ],
    ids=[
        *(
            "one way",
            "both ways",
            "before",
            "after",
            "default",
            "a wait that may time out",
            "a wait that ends",
        ),
        *("inside then", "a condition may look", "save_as", "the other way ends", "a loop that may not turn"),
    ],
)
def test_a_name_that_only_one_way_sets_is_pointed_out(tmp_path: Path, steps: str, told: int) -> None:
    found = warnings(tmp_path, steps)

    assert len(found) == told, found
    assert all("`run.code`" in message for message in found)


def test_what_a_template_prints_is_looked_for_on_every_way(tmp_path: Path) -> None:
    template = {"templates/t/sms.txt": "{{ run.code }} {% if run.other %}{{ run.other }}{% endif %}"}
    one_way = "  - branch: [{if: profile.x, then: [{remember: {code: A, other: B}}]}]\n  - sms: t"
    both = "  - remember: {code: A}\n  - sms: t"

    assert [m for m in warnings(tmp_path, one_way, more=template) if "`run.code`" in m]
    assert warnings(tmp_path, both, more=template) == []


CHAIN = "journey: {name}\ntrigger: {trigger}\nentry: {{reentry: {reentry}}}\nsteps: [{steps}]\n"


def chain(name: str, trigger: str, steps: str, reentry: str = "always") -> str:
    return CHAIN.format(name=name, trigger=trigger, steps=steps, reentry=reentry)


@pytest.mark.parametrize(
    ("back", "reentry", "told"),
    [
        ("{emit: {event: Go}}", "always", 1),
        ("{emit: {event: Go}}", "never", 0),
        ("{emit: {event: Gone}}", "always", 0),
        ("{wait: 30 days}, {emit: {event: Go}}", "always", 1),
        ("{set: {plan: x}}", "always", 0),
    ],
    ids=["a circle", "once only", "another event", "a slow circle", "no circle"],
)
def test_a_chain_that_ends_is_no_circle(tmp_path: Path, back: str, reentry: str, told: int) -> None:
    files = {
        "journeys/one.yaml": chain("one", "{event: Go}", "{emit: {event: Next}}", reentry),
        "journeys/two.yaml": chain("two", "{event: Next}", back),
    }
    project = load_project(write(tmp_path, files))

    assert len([p for p in project.problems if "circle" in p.message]) == told


@pytest.mark.parametrize(
    ("trigger", "step"),
    [
        ("{trait: {changed: plan}}", "{set: {plan: x}}"),
        ("{audience: {entered: desk}}", "{remove_from: desk}, {add_to: desk}"),
        ("{audience: {left: desk}}", "{add_to: desk}, {remove_from: desk}"),
        ("{event: Journey Exited}", "{exit: done}"),
        ("{event: SMS Sent}", "{sms: {text: again}}"),
        ("{event: Subscription Updated}", "{unsubscribe: {channel: sms, topic: offers}}"),
    ],
    ids=["trait", "audience", "leaving an audience", "its own end", "a message", "consent"],
)
def test_a_journey_that_sets_itself_going_is_pointed_out(tmp_path: Path, trigger: str, step: str) -> None:
    files = {
        "journeys/one.yaml": "topic: offers\n" + chain("one", trigger, step),
        "journeys/audiences/desk.yaml": "audience: desk\nmembers: manual\n",
        "journeys/settings.yaml": SETTINGS,
    }
    project = load_project(write(tmp_path, files))

    assert [p.message for p in project.problems] == ["a circle without an end: `one` → `one`"]


IN = "{audience: {entered: fans}}"
OUT = "{audience: {left: fans}}"


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ((IN, "{set: {likes: 0}}"), (OUT, "{set: {likes: 9}}"), 1),
        ((IN, "{set: {likes: 0}}"), (OUT, "{set: {other: 9}}"), 0),
        ((IN, "{set: {likes: 0}}"), (IN, "{set: {likes: 0}}"), 0),
        ((IN, "{set: {likes: 0}}, {wait: 1 day}, {set: {likes: 9}}"), (OUT, "{exit: done}"), 1),
        ((IN, '{set: {likes: "{{ profile.likes - 1 }}"}}'), (OUT, "{exit: done}"), 1),
        ((IN, "{remove_from: desk}"), (OUT, "{add_to: desk}"), 1),
        ((IN, "{emit: {event: Tired}}"), (OUT, "{emit: {event: Rested}}"), 1),
        (
            (IN, "{unsubscribe: {channel: sms, topic: offers}}"),
            (OUT, "{subscribe: {channel: sms, topic: offers}}"),
            1,
        ),
    ],
    ids=["in and out", "another trait", "both leave", "twice", "computed", "by hand", "events", "consent"],
)
def test_a_circle_through_the_rule_of_an_audience(
    tmp_path: Path, one: tuple[str, str], two: tuple[str, str], told: int
) -> None:
    files = {
        "journeys/one.yaml": chain("one", *one),
        "journeys/two.yaml": chain("two", *two),
        "journeys/traits/liked.yaml": "trait: liked\nvalue: profile.likes\n",
        "journeys/audiences/desk.yaml": "audience: desk\nmembers: manual\n",
        "journeys/audiences/fans.yaml": (
            "audience: fans\nwhere: profile.liked > 5 and in_audience('desk') and not did('Tired')"
            " or did('Rested') or subscribed('sms', 'offers')\n"
        ),
        "journeys/settings.yaml": SETTINGS,
    }
    project = load_project(write(tmp_path, files))

    assert len([p for p in project.problems if "circle" in p.message]) == told, project.problems


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("count('*', within='30 days') == 0", True),
        ("did('Audience*')", True),
        ("did('Audience Entered')", True),
        ("did('Audience Entered', where=event.audience_key == 'other')", False),
        ("sequence('A', 'Audience Exited', within='1 day')", True),
        ("did('Order*')", False),
    ],
)
@pytest.mark.parametrize("by_trait", [False, True])
def test_a_rule_that_counts_what_it_causes(tmp_path: Path, rule: str, told: bool, by_trait: bool) -> None:
    audience = "profile.fed == true" if by_trait else rule
    files = {"journeys/audiences/a.yaml": f"audience: a\nwhere: >-\n  {audience}\n"}
    if by_trait:
        files["journeys/traits/fed.yaml"] = f"trait: fed\nvalue: >-\n  {rule}\n"
    project = load_project(write(tmp_path, files))

    assert [p for p in project.problems if "itself causes" in p.message] == project.problems
    assert bool(project.problems) == told


def test_a_trait_that_no_audience_reads_causes_nothing(tmp_path: Path) -> None:
    files = {"journeys/traits/seen.yaml": "trait: seen\nvalue: count('*')\n"}

    assert load_project(write(tmp_path, files)).problems == []


MAIL = {
    "templates/m/email.html": "<p>Hi {{ profile.first_name }}</p>",
    "templates/m/meta.yaml": "subject: Hi",
}


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ("  - sms: {text: 'Hi {{ profile.first_name }}'}", {}),
        ("  - sms: {text: 'Hi {{ profile.first_name | upper }}'}", {}),
        ("  - email: m", MAIL),
        ("  - email: m", {**MAIL, "templates/m/email.html": "x", "templates/m/meta.yaml": "subject: '{{ profile.first_name }}'"}),
        ("  - reach: {within: 1h, channels: [{email: m}]}\n    id: r", MAIL),
    ],
    ids=["text", "filter", "template", "subject", "reach"],
)  # fmt: skip
def test_a_trait_that_nobody_promises_is_pointed_out_where_it_is_printed(
    tmp_path: Path, steps: str, more: dict[str, str]
) -> None:
    (told,) = warnings(tmp_path, steps, more=more)

    assert told.startswith("`profile.first_name` is printed ")
    assert told.endswith(", and whoever has none gets no message")


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ("  - sms: {text: \"Hi {{ profile.first_name | default('you') }}\"}", {}),
        ("  - sms: {text: \"{{ profile.first_name if profile.first_name else 'Hi' }}\"}", {}),
        ("  - sms: {text: 'We text {{ profile.phone }}'}", {}),
        ("  - branch: [{if: profile.firstName is present, then: [{email: m}]}]", MAIL),
        ("  - set: {first_name: Friend}\n  - email: m", MAIL),
        ("  - email: m", {**MAIL, "templates/m/email.html": "{% if profile.first_name %}{{ profile.first_name }}{% endif %}"}),
        ("  - sms: {text: '{{ profile.first_name }}'}", {"journeys/traits/first_name.yaml": "trait: first_name\nvalue: count('X')\n"}),
    ],
    ids=["default", "if", "address", "branch", "set", "template asks", "computed"],
)  # fmt: skip
def test_a_trait_that_is_asked_for_or_given_may_be_printed(
    tmp_path: Path, steps: str, more: dict[str, str]
) -> None:
    assert warnings(tmp_path, steps, more=more) == []


@pytest.mark.parametrize("trigger", ["audience: {entered: named}", "trait: {changed: first_name}"])
def test_a_trait_that_the_trigger_is_about_may_be_printed(tmp_path: Path, trigger: str) -> None:
    journey = f"journey: a\ntopic: offers\ntrigger: {{{trigger}}}\nentry: {{reentry: never}}\nsteps: [{{email: m}}]\n"
    audience = "audience: named\nwhere: profile.first_name is present\n"
    files = {
        "journeys/a.yaml": journey,
        "journeys/settings.yaml": SETTINGS,
        "journeys/audiences/named.yaml": audience,
    }

    assert load_project(write(tmp_path, {**files, **MAIL})).problems == []


def test_quiet_hours_that_end_when_they_begin_are_pointed_out(tmp_path: Path) -> None:
    settings = SETTINGS + 'quiet_hours: {from: "21:00", to: "21:00"}\n'

    assert warnings(tmp_path, "  - wait: 1 hour", settings=settings) == [
        "quiet hours from 21:00 to 21:00 are none at all"
    ]
    assert warnings(tmp_path, "  - wait: 1 hour", settings=settings.replace("21:00", "22:00", 1)) == []


TEXT = "is text here, and text never equals a number"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("  - wait_for: {event: SMS Failed, where: event.code == 30003, timeout: 1h}\n", ["`event.code`"]),
        (
            "  - wait_for: {event: [Call Failed, SMS Failed], where: 30003 != event.code, timeout: 1h}\n",
            ["`event.code`"],
        ),
        (
            "  - wait_for: {event: Voice Digits, where: 'event.digits in [1, 2]', timeout: 1h}\n",
            ["`event.digits`"],
        ),
        (
            "  - branch: [{if: \"count('SMS Failed', where=event.code >= 30003) > 0\", then: [{exit: x}]}]\n",
            ["`event.code`"],
        ),
        ("  - wait_for: {event: SMS Failed, where: event.code == '30003', timeout: 1h}\n", []),
        ("  - wait_for: {event: SMS Failed, where: event.code | number == 30003, timeout: 1h}\n", []),
        ("  - wait_for: {event: SMS Failed, where: event.segments == 2, timeout: 1h}\n", []),
        ("  - wait_for: {event: Coupon Used, where: event.code == 5, timeout: 1h}\n", []),
    ],
)
def test_text_of_our_events_is_not_compared_with_a_number(
    tmp_path: Path, steps: str, told: list[str]
) -> None:
    assert [found for found in warnings(tmp_path, steps) if TEXT in found] == [
        f"{name} {TEXT}" for name in told
    ]


def test_nor_is_what_a_step_was_answered(tmp_path: Path) -> None:
    call = "{topic: offers, to: \"'+14155550101'\", text: hi}"
    steps = (
        f"  - voice: {call}\n    id: call\n"
        "  - wait_for: {step: call, status: digits, where: event.digits == 1, timeout: 1h}\n"
    )
    settings = SETTINGS.replace("sms: opt_in,", "sms: opt_in, voice: opt_in,")

    assert f"`event.digits` {TEXT}" in warnings(tmp_path, steps, settings=settings)


def test_nor_what_an_entry_holds_of_one(tmp_path: Path) -> None:
    journey = "journey: b\ntrigger: {event: SMS Failed}\nentry: {where: entry.code == 30003, reentry: never}\nsteps: [{wait: 1h}]\n"

    assert f"`entry.code` {TEXT}" in warnings(tmp_path, "  - wait: 1h\n", more={"journeys/b.yaml": journey})
