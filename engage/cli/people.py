"""Commands about one person: `why`, `profile show`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from engage.api.shapes import (
    audience_shape,
    consent_shape,
    decision_shape,
    delivery_shape,
    event_shape,
    identifier_shape,
    run_shape,
    traits_shape,
)
from engage.bootstrap import Runtime
from engage.cli.arguments import instant
from engage.cli.remote import reached
from engage.cli.session import opened, say_json
from engage.domain.consent.consent import ledger_key
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.timing import parse_instant_text, zone_of
from engage.engine.accept.requests import UnknownPersonError, person_named
from engage.engine.canonical.rules import Rules
from engage.engine.explain.explain import About, Told
from engage.engine.explain.telling import told_about
from engage.project.words.steps import step_line
from engage.project.words.suggest import did_you_mean
from engage.settings import Settings, load_settings

_COLOURS = {"entry": "green", "exit": "yellow", "goal": "green", "send": "cyan", "standing": "magenta"}


@click.command("why")
@click.argument("profile")
@click.argument("journey", required=False)
@click.option(
    "--message", metavar="ID", help="Only about one delivery, or about one event by its message id."
)
@click.option(
    "--at",
    "until",
    metavar="T",
    help="Only what was decided until then; without an offset on the person's wall.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def why_command(
    profile: str, journey: str | None, message: str | None, until: str | None, as_json: bool
) -> None:
    """Tell every decision about a person: entered or not, each branch with what it saw, each send or refusal with its rule.

    PROFILE is `user_id:ada`, `email:ada@shop.example` …, or only the value.
    """
    settings = load_settings()
    asked = {"journey": journey, "message": message, "at": until}
    answer = (
        _told_there(settings, profile, asked) if settings.api_url else _told_here(settings, profile, asked)
    )
    if as_json:
        say_json({name: answer[name] for name in ("profile", "zone", "decisions")})
        return
    note = f"times in {answer['zone']}" + (
        " (the person's own zone is none)" if answer["zone_invalid"] else ""
    )
    click.echo(f"{click.style(answer['name'], bold=True)}   {note}")
    for line in told_lines(answer["decisions"], ZoneInfo(answer["zone"])):
        click.echo(line)
    if not answer["decisions"]:
        click.echo(_nothing(journey, message, answer.get("doubt", "")))


def _nothing(journey: str | None, message: str | None, doubt: str) -> str:
    about = f" in {journey}{doubt}" if journey else ""
    if message:
        return f"no delivery and no event `{message}` of this person is known{about}"
    return f"nothing was decided about this person{about}"


def _told_here(settings: Settings, profile: str, asked: Mapping[str, str | None]) -> dict[str, Any]:
    with opened(settings) as runtime:
        found, catalog = find_person(runtime, profile), runtime.catalog()
        zone, invalid = zone_of(found.traits.get("timezone"), catalog.settings.zone)
        then = None if asked["at"] is None else instant(asked["at"], zone)
        about = About(journey=asked["journey"], message=asked["message"], until=then)
        told = told_about(runtime.reading, catalog, found, about, step_line)
    doubt = ""
    if asked["journey"] and asked["journey"] not in catalog.journeys:
        near = did_you_mean(asked["journey"], catalog.journeys, what="live are")
        doubt = f", of which nothing is live; {near}" if near else ", of which nothing is live"
    names = [identifier_shape(name) for name in found.identifiers]
    return {
        "profile": found.id,
        "name": _name(found.id, names),
        "zone": zone.key,
        "zone_invalid": invalid,
        "decisions": told,
        "doubt": doubt,
    }


def _told_there(settings: Settings, profile: str, asked: Mapping[str, str | None]) -> dict[str, Any]:
    with reached(settings) as there:
        page = there.person(profile)
        answer: dict[str, Any] = there.get(f"/v1/why/id:{page['id']}", asked)
    told = msgspec.convert(answer["decisions"], list[Told])
    return {**answer, "name": _name(page["id"], page["ids"]["items"]), "decisions": told}


@click.group("profile")
def profile_command() -> None:
    """One person: what is known, and what was done."""


@profile_command.command("show")
@click.argument("profile", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(profile: str, as_json: bool) -> None:
    """Show a person: identifiers, traits, consents, audiences, runs, and the last deliveries and events.

    ID is `user_id:ada`, `email:ada@shop.example` …, or only the value.
    """
    settings = load_settings()
    if settings.api_url is not None:
        with reached(settings) as there:
            page: Mapping[str, Any] = _flat(there.person(profile))
    else:
        with opened(settings) as runtime:
            page = _page(runtime, find_person(runtime, profile))
    if as_json:
        say_json(page)
        return
    for line in _page_lines(page):
        click.echo(line)


def find_person(runtime: Runtime, text: str) -> Profile:
    """Return whom a text names: `kind:value`, a profile's id, or the value of a user id, e-mail, phone or anonymous id.

    Raises:
        click.ClickException: nobody.
    """
    rules = Rules.of(runtime.catalog().settings)
    reading = runtime.reading
    for identifier in _readings(text, rules):
        key = reading.find(identifier)
        if key is not None and (found := reading.profile(key)) is not None:
            return found
    value = text.removeprefix("id:")
    if len(value) == 36 and value.count("-") == 4:
        found = reading.profile(reading.survivor(ProfileId(value)))
        if found is not None:
            return found
    raise click.ClickException(
        f"nobody is known as `{text}`; write for instance `user_id:ada` or `email:ada@shop.example`"
    )


def _readings(text: str, rules: Rules) -> Iterator[Identifier]:
    for candidate in (text, *(f"{kind}:{text}" for kind in ("user_id", "email", "phone", "anonymous_id"))):
        try:
            yield person_named(candidate, rules)
        except UnknownPersonError:
            continue


def _name(key: str, names: Sequence[str]) -> str:
    return names[0] if names else f"id:{key}"


def told_lines(told: Sequence[Told], zone: ZoneInfo, indent: str = "") -> Iterator[str]:
    """Yield what was decided as the lines of a tree, times on the clock of `zone`."""
    for index, line in enumerate(told):
        last = index == len(told) - 1
        yield f"{indent}{'└── ' if last else '├── '}{_told_line(line, zone)}"
        yield from told_lines(line.below, zone, indent + ("    " if last else "│   "))


def _told_line(told: Told, zone: ZoneInfo) -> str:
    at = click.style(f"{told.at.astimezone(zone):%Y-%m-%d %H:%M:%S}", dim=True)
    # A position says nothing to who reads this; a name somebody wrote does.
    named = told.step is not None and not told.step[:1].isdigit() and not told.step.startswith("on_exit.")
    step = click.style(f"{told.step}  ", bold=True) if named else ""
    words = click.style(_localised(told.text, zone), fg=_COLOURS.get(told.kind), bold=told.kind == "journey")
    seen = ", ".join(
        f"{name} = {_shown(value)}" for name, value in told.values.items() if name not in ("if", "key")
    )
    if not seen or told.kind in ("send", "audience", "consent") or told.outcome in ("waits", "emitted"):
        return f"{at}  {step}{words}"
    return f"{at}  {step}{words}   {click.style(f'[{seen}]', dim=True)}"


def _localised(text: str, zone: ZoneInfo) -> str:
    """Return a text whose instants are told on the person's wall."""
    words = []
    for word in text.split(" "):
        instant = parse_instant_text(word) if word[:1] == "2" and "T" in word else None
        words.append(word if instant is None else f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}")
    return " ".join(words)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'"
        case _:
            return str(value)


def _page(runtime: Runtime, person: Profile) -> Mapping[str, Any]:
    reading, key = runtime.reading, person.id
    addresses = [ledger_key(name.value) for name in person.identifiers if name.kind in ("email", "phone")]
    return {
        "id": person.id,
        "ids": [identifier_shape(name) for name in person.identifiers],
        "traits": traits_shape(person, runtime.catalog().settings.covered),
        "trait_times": person.told_times(),
        "consents": [consent_shape(consent) for consent in reading.consents(key, addresses)],
        "audiences": [audience_shape(membership) for membership in reading.audiences(key)],
        "runs": [run_shape(run) for run in reading.runs(key).items],
        "deliveries": [delivery_shape(seen) for seen in reading.deliveries(key).items],
        "decisions": [decision_shape(decision) for decision in reading.decisions(key).items],
        "events": [event_shape(event) for event in reading.events(key).items],
    }


def _flat(page: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the API as this command shows it: the first part of every list, instants as such."""
    whole = ("id", "traits", "trait_times")
    lists = {name: value["items"] for name, value in page.items() if name not in whole}
    return {**page, **lists}


def _page_lines(page: Mapping[str, Any]) -> Iterator[str]:
    yield click.style(f"profile {page['id']}", bold=True)
    for name in page["ids"]:
        yield f"  {name}"
    for title, lines in (
        ("traits", list(_trait_lines(page))),
        ("audiences", page["audiences"]),
        (
            "consents",
            [f"{c['channel']} {c['topic']}: {c['state']} ({c['source']})" for c in page["consents"]],
        ),
        ("runs", [_run_line(run) for run in page["runs"]]),
        ("deliveries", [_delivery_line(delivery) for delivery in page["deliveries"][:20]]),
        ("events", [f"{_second(e['timestamp'])} {e['event']}" for e in page["events"][:20]]),
    ):
        if lines:
            yield click.style(title, bold=True)
            yield from (f"  {line}" for line in lines)


def _trait_lines(page: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(page["traits"].items()):
        known = page.get("trait_times", {}).get(name)  # a server of before does not say
        since = "" if known is None else click.style(f"  since {_second(known['changed_at'])}", dim=True)
        yield f"{name} = {_shown(value)}{since}"


def _run_line(run: Mapping[str, Any]) -> str:
    end = f"ended: {run['reason']}" if run["ended_at"] else f"at step {run['step']}"
    key = f" [{run['key']}]" if run["key"] else ""
    return f"{_second(run['entered_at'])} {run['journey']}{key} version {run['version']}: {end}"


def _delivery_line(delivery: Mapping[str, Any]) -> str:
    why = f", {delivery['reason']}" if delivery["reason"] else ""
    rule = f" ({delivery['rule']})" if delivery["rule"] else ""
    what = delivery["template"] or "text"
    return f"{_second(delivery['at'])} {delivery['channel']} {what}: {delivery['status']}{why}{rule}"


def _second(at: datetime | str) -> str:
    """Return an instant to the second; the API tells instants as text."""
    found = parse_instant_text(at) if isinstance(at, str) else at
    return str(at) if found is None else f"{found:%Y-%m-%d %H:%M:%S}"
