"""A scenario that does not hold says what was expected, what came instead, and where it is written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engage.cli.testing import test_command as command
from engage.testing import Report, UnusablePathError, run_scenarios

HELLO = """
scenario: hello
journeys:
  - {journey: j1, trigger: {event: Go}, steps: [{sms: {text: "Hi {{ profile.name }}"}, id: hi}, {wait: 1h}]}
timeline:
  - {at: 0s, identify: ada, traits: {name: Ada, phone: "+14155550101"}}
  - {at: 0s, identify: bob, traits: {name: Bob}}
  - {at: 90m, track: ada, event: Go}
  - {at: 90m, track: bob, event: Go}
  - at: 2h
    expect: EXPECTED
"""


def run(folder: Path, text: str) -> Report:
    file = folder / "one.yaml"
    file.write_text(text)
    return run_scenarios([file])


def failures(folder: Path, expected: str) -> list[str]:
    report = run(folder, HELLO.replace("EXPECTED", expected))
    return [line for result in report.results for failure in result.failures for line in failure.splitlines()]


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("{runs: {j1: {active: 1}}}", "runs.j1.active: expected 1, got 2"),
        ("{runs: {j1: {entries: 3}}}", "runs.j1.entries: expected 3, got 2"),
        ("{runs: {j1: {ended: 1}}}", "runs.j1.ended: expected 1, got 0 (ended: {})"),
        ("{runs: {j1: {ended: {goal: 1}}}}", "runs.j1.ended.goal: expected 1, got 0 (ended: {})"),
        ("{at_step: {ada: {j1: null}}}", "at_step.ada.j1: expected null, got 1"),
        ("{at_step: {cyd: {j1: hi}}}", "at_step.cyd.j1: expected hi, got null"),
        ("{traits: {ada: {name: Bob}}}", "traits.ada.name: expected Bob, got Ada"),
        ("{traits: {ada: {name: null}}}", "traits.ada.name: expected null, got Ada"),
        ("{sent: {count: 2}}", "sent.count: expected 2, got 1 (not sent: no_address 1)"),
        ("{sent: {to: {bob: 1}}}", "sent.to.bob: expected 1, got 0 (not sent: no_address 1)"),
        ("{sent: {step: {hi: 0}}}", "sent.step.hi: expected 0, got 1 (not sent: no_address 1)"),
        ("{sent: {channel: {email: 1}}}", "sent.channel.email: expected 1, got 0 (not sent: no_address 1)"),
        ("{events: {ada: {Go: 2}}}", "events.ada.Go: expected 2, got 1"),
        ("{same_person: [ada, bob]}", "same_person: [ada] and [bob] are different people"),
        ("{same_person: [ada, cyd]}", "same_person: cyd is nobody"),
        ("{subscribed: {ada: {sms: {x: false}}}}", "subscribed.ada.sms.x: expected false, got true"),
        ("{status: [{of: {to: ada}, is: sent}]}", "status of {to: ada}: expected sent, got accepted"),
        ("{status: [{of: {to: cyd}, is: sent}]}", "status of {to: cyd}: there is no delivery {to: cyd}"),
        ("{audiences: {a: {in: [ada], count: 1}}}", "audiences.a.in: ada is not inside"),
    ],
)
def test_what_does_not_hold_is_told_in_a_line(tmp_path: Path, expected: str, told: str) -> None:
    assert f"line 10, at 2h: {told}" in failures(tmp_path, expected)


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("{messages: []}", "  + 1. {to: ada, at: 1h 30m, step: hi}   (not expected)"),
        ("{messages: [{to: ada}, {to: bob}]}", "  - 2. {to: bob}   (missing)"),
        (
            "{messages: [{to: ada, body: Ho}]}",
            "  + 1. {to: ada, at: 1h 30m, step: hi, body: Hi Ada}   (differs in body)",
        ),
        ("{messages: [{to: ada, at: 1h}]}", "  - 1. {to: ada, at: 1h}"),
        (
            "{messages: [{contains: Ho}]}",
            "  + 1. {to: ada, at: 1h 30m, step: hi, text: Hi Ada}   (differs in contains)",
        ),
        (
            "{skipped: [{to: bob, reason: capped}]}",
            "  + 1. {to: bob, at: 1h 30m, step: hi, reason: no_address}   (differs in reason)",
        ),
        ("{failed: [{to: bob}]}", "  - 1. {to: bob}   (missing)"),
    ],
)
def test_lists_are_told_apart_line_by_line(tmp_path: Path, expected: str, told: str) -> None:
    assert told in failures(tmp_path, expected)


def test_lists_are_in_order(tmp_path: Path) -> None:
    both = HELLO.replace("name: Bob", 'name: Bob, phone: "+14155550102"')

    right = run(tmp_path, both.replace("EXPECTED", "{messages: [{to: ada}, {to: bob}]}"))
    wrong = run(tmp_path, both.replace("EXPECTED", "{messages: [{to: bob}, {to: ada}]}"))

    assert right.ok
    assert not wrong.ok


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("{at: 3h, receipt: delivered, of: {step: nothing}}", "there is no delivery {step: nothing}"),
        ("{at: 3h, inbound: bob, channel: sms, body: x}", "bob has no address on sms"),
        ("{at: 3h, start: j1, for: ada}", "`j1` has no `api: true`: it cannot be started"),
        ("{at: 3h, start: j9, for: ada}", "there is no journey `j9`"),
        ("{at: 3h, pause: j9}", "no journey `j9` is published"),
        ("{at: 3h, publish: j9}", "`publish`: nothing is called `j9`"),
        ("{at: 3h, audience: a, add: [ada]}", "there is no audience `a` whose members are put in by hand"),
        (
            "{at: 3h, inbound: bo, channel: sms, body: x}",
            "nobody is called bo so far; an `identify` of theirs comes first",
        ),
        (
            "{at: 3h, confirm: ada, channel: sms, topic: t}",
            "no message to ada on sms holds a button for `t`; a mail whose template has `confirm_url('t')` has to be sent first",
        ),
        (
            "{at: 3h, alias: anon-1, previous: anon-2}",
            "a call that the API would refuse: no_user_id alias needs a userId",
        ),
    ],
)
def test_an_item_that_makes_no_sense_ends_its_scenario(tmp_path: Path, item: str, told: str) -> None:
    report = run(tmp_path, HELLO.replace("  - at: 2h\n    expect: EXPECTED", f"  - {item}"))

    assert [result.failures for result in report.results] == [(f"line 10, at 3h: {told}",)]


@pytest.mark.parametrize(
    ("verb", "item"),
    [
        ("signal", "signal: Restocked"),
        ("receipt", "receipt: delivered, of: {step: hi}"),
        ("inbound", "inbound: ada, channel: sms, body: x"),
        ("start", "start: j1, for: ada"),
        ("publish", "publish: j1"),
        ("pause", "pause: j1"),
        ("resume", "resume: j1"),
        ("archive", "archive: j1"),
        ("confirm", "confirm: ada, channel: sms, topic: t"),
        ("forget", "forget: ada"),
    ],
)
def test_before_the_start_there_is_only_history(tmp_path: Path, verb: str, item: str) -> None:
    early = HELLO.replace("timeline:\n", f"timeline:\n  - {{at: -1h, {item}}}\n")

    report = run(tmp_path, early.replace("EXPECTED", "{sent: {count: 1}}"))

    told = f"line 6, at -1h: `{verb}` cannot stand before the start: there is only history then"
    assert [result.failures for result in report.results] == [(told,)]


def test_mistakes_of_a_file_are_told_with_their_place(tmp_path: Path) -> None:
    report = run(tmp_path, "scenario: a\ntimeline:\n  - {at: 0s, trak: ada, event: X}\n")

    assert [result.ok for result in report.results] == [False]
    assert (
        f"{tmp_path}/one.yaml:3:14: unknown item `trak`; did you mean `track`?" in report.results[0].failures
    )


def test_a_broken_document_does_not_hide_its_neighbours(tmp_path: Path) -> None:
    good = HELLO.replace("EXPECTED", "{sent: {count: 1}}")

    report = run(tmp_path, f"scenario: a\n---\n{good}")

    assert [(result.name, result.ok) for result in report.results] == [("a", False), ("hello", True)]


def test_names_that_are_not_there_are_told(tmp_path: Path) -> None:
    used = run(tmp_path, "scenario: a\nuse: [x]\ntimeline: [{at: 0s, track: ada, event: X}]\n")
    published = run(tmp_path, "scenario: a\npublished: [x]\ntimeline: [{at: 0s, track: ada, event: X}]\n")

    assert "this scenario does not stand in one" in used.results[0].failures[0]
    assert published.results[0].failures == ("`published`: nothing is called `x`",)


def test_a_file_that_is_not_there_is_told_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    tests = tmp_path / "journeys" / "tests"
    tests.mkdir(parents=True)
    (tmp_path / "journeys" / "welcome.yaml").write_text(
        "journey: welcome\ntrigger: {event: Go}\nsteps: [{wait: 1h}]\n"
    )
    (tests / "one.yaml").write_text(
        "scenario: a\nuse: [welcom]\ntimeline: [{at: 0s, track: ada, event: Go}]\n"
    )

    (found,) = run_scenarios([tests]).results

    assert found.failures == ("`use`: no file is called `welcom`; did you mean `welcome`?",)


def test_a_project_a_folder_and_a_file_can_be_named(tmp_path: Path) -> None:
    tests = tmp_path / "journeys" / "tests"
    tests.mkdir(parents=True)
    (tests / "hello.yaml").write_text(HELLO.replace("EXPECTED", "{sent: {count: 1}}"))

    found = [
        run_scenarios([path]).passed
        for path in (tmp_path, tmp_path / "journeys", tests, tests / "hello.yaml")
    ]

    assert found == [1, 1, 1, 1]
    assert run_scenarios([tests, tests / "hello.yaml"]).passed == 1


def test_a_path_without_scenarios_is_no_silent_success(tmp_path: Path) -> None:
    with pytest.raises(UnusablePathError):
        run_scenarios([tmp_path])
    with pytest.raises(UnusablePathError):
        run_scenarios([tmp_path / "nowhere.yaml"])


def test_the_command_prints_a_line_per_scenario_and_counts_them(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(
        HELLO.replace("EXPECTED", "{sent: {count: 1}}")
        + "---"
        + HELLO.replace("EXPECTED", "{sent: {count: 7}}")
    )

    result = CliRunner().invoke(command, [str(file)])

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"ok    {file}:2  hello",
        f"FAIL  {file}:13  hello",
        "        line 21, at 2h: sent.count: expected 7, got 1 (not sent: no_address 1)",
        "1 passed, 1 failed",
    ]


def test_the_command_speaks_json(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(HELLO.replace("EXPECTED", "{sent: {count: 1}}"))

    result = CliRunner().invoke(command, [str(file), "--json"])

    assert result.exit_code == 0
    assert json.loads(result.output) == {
        "passed": 1,
        "failed": 0,
        "scenarios": [{"name": "hello", "file": str(file), "line": 2, "ok": True, "failures": []}],
    }


def test_a_path_that_is_not_there_is_a_mistake_of_use() -> None:
    result = CliRunner().invoke(command, ["nowhere.yaml"])

    assert result.exit_code == 2
    assert "nowhere.yaml: no such file or folder" in result.output


def test_a_list_of_the_right_length_says_how_many_differ(tmp_path: Path) -> None:
    report = run(tmp_path, HELLO.replace("EXPECTED", "{messages: [{to: ada, contains: nothing of it}]}"))

    assert "messages: 1 of 1 not as expected" in report.results[0].failures[0]


def test_one_mistake_of_many_scenarios_is_told_once(tmp_path: Path) -> None:
    wrong = HELLO.replace("EXPECTED", "{sent: {count: 1}}") + "templates: {t: {sms: '{{ x'}}\n"
    report = run(tmp_path, f"{wrong}---\n{wrong}")

    lines = list(report.lines())

    assert len([line for line in lines if "is not closed" in line]) == 1
    assert f"        templates have mistakes: the same as at {tmp_path}/one.yaml:2" in lines


def test_why_tells_every_decision_about_somebody_in_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(HELLO.replace("EXPECTED", "{sent: {count: 2}}"))

    told = CliRunner().invoke(command, [str(file), "--why", "bob", "--why", "cyd"]).output

    assert "why bob   times in UTC" in told
    assert "entered by Go" in told
    assert "not sent, no address" in told[told.index("why bob") :]
    assert "why cyd: nobody is called so in this scenario" in told
    assert "why ada" not in told
    assert CliRunner().invoke(command, [str(file), "--why", "bob", "--live"]).exit_code == 2
