"""Commands that make something leave by hand: `send`, `replay`."""

import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import click
import msgspec
from rich.progress import Progress, SpinnerColumn, TextColumn

from engage.bootstrap import Runtime
from engage.cli.arguments import instant
from engage.cli.people import find_person
from engage.cli.remote import reached
from engage.cli.session import opened, say_json
from engage.cli.terminal import screen
from engage.domain.delivery.delivery import CALLS, Channel
from engage.domain.fact import Identifier, Send
from engage.domain.timing import DurationError, parse_duration
from engage.engine.accept.intake import Intake, Taken
from engage.engine.accept.requests import new_delivery_id, own_channels, send_key, sent
from engage.engine.canonical.address import normal_address
from engage.engine.replay import Span
from engage.ports.clock import NoHints
from engage.project.words.suggest import did_you_mean
from engage.settings import Settings, destination_variable, load_settings

_CHANNELS = [str(channel) for channel in Channel if channel not in CALLS]


@click.command("send")
@click.argument("template")
@click.option(
    "--to", required=True, metavar="ID", help="`user_id:ada`, `email:ada@shop.example`, or an address."
)
@click.option("--channel", type=click.Choice(_CHANNELS), help="Needed where the template has several.")
@click.option("--topic", help="What it is about; needed where the settings name topics.")
@click.option(
    "--with", "pairs", multiple=True, metavar="NAME=VALUE", help="What the template reads as `with.NAME`."
)
@click.option("--expires", metavar="D", help="Not later than this, e.g. `15 minutes`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def send_command(
    template: str,
    to: str,
    channel: str | None,
    topic: str | None,
    pairs: tuple[str, ...],
    expires: str | None,
    as_json: bool,
) -> None:
    """Send one published template to one person, outside every journey.

    Consent, suppression, quiet hours and caps hold as always. The workers send it; `engage why ID --message` says what
    became of it.
    """
    values, own = _values(pairs), load_settings()
    if own.api_url is not None:
        asked = {"template": template, "channel": channel, "topic": topic, "with": values, "expires": expires}
        _say(_asked_there(own, to, asked), to, as_json=as_json)
        return
    with opened(own) as runtime:
        chosen = _template(runtime, template, channel, values)
        settings, now = runtime.catalog().settings, runtime.clock.now()
        if settings.topics and topic not in settings.topics:
            raise click.UsageError(f"`--topic` is one of {', '.join(sorted(settings.topics))}")
        person, address = _addressee(runtime, to, chosen)
        delivery = new_delivery_id(now)
        wish = Send(
            message_id=send_key(delivery),
            delivery=delivery,
            channel=chosen,
            person=person,
            to=address,
            template=template,
            variables=dict(values),
            topic=topic,
            expires_at=None if expires is None else now + _duration(expires),
        )
        Intake(runtime.store, NoHints()).store(Taken([sent(wish, now)]))
    done = {"delivery_id": delivery, "channel": chosen, "template": template, "to": to}
    _say(done, to, as_json=as_json)


def _asked_there(settings: Settings, to: str, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a server for the delivery: to the person, else to the address that `to` is."""
    with reached(settings) as there:
        try:
            names = there.person(to)["ids"]["items"]
            whom = {"profile": names[0] if names else to}
        except click.ClickException:
            kind, colon, value = to.partition(":")
            whom = {"to": value if colon and kind in ("email", "phone") else to}
        told = there.post("/v1/deliveries", {**{k: v for k, v in wish.items() if v is not None}, **whom})
    return {"channel": wish["channel"], **told, "template": wish["template"], "to": to}


def _say(done: Mapping[str, Any], to: str, *, as_json: bool) -> None:
    if as_json:
        say_json(done)
        return
    click.echo(f"asked for: {done['channel']} {done['template']} to {to}")
    click.echo(f"  engage why {to} --message {done['delivery_id']}")


def _template(runtime: Runtime, name: str, channel: str | None, values: Mapping[str, str]) -> Channel:
    """Return the channel by which a template leaves, once it is sure that it can be rendered."""
    known = runtime.templates()
    if name not in known:
        hint = did_you_mean(name, known) or "`engage publish` makes the project's live"
        raise click.UsageError(f"no template `{name}` is published; {hint}")
    template = known[name]
    missing = [wanted for wanted in template.required if wanted not in values]
    if missing:
        told = " ".join(f"--with {wanted}=…" for wanted in missing)
        raise click.UsageError(f"`{name}` needs {told}")
    own = own_channels(template.channels)
    told = " or ".join(f"--channel {one}" for one in sorted(own))
    if channel is None:
        if len(own) > 1:
            raise click.UsageError(f"`{name}` has several channels; add {told}")
        return next(iter(own))
    if Channel(channel) not in template.channels:
        raise click.UsageError(f"`{name}` has no content for {channel}; use {told}")
    return Channel(channel)


def _addressee(runtime: Runtime, text: str, channel: Channel) -> tuple[Identifier | None, str | None]:
    """Return the person a text names; else the address it is, where nobody is known by it."""
    try:
        person = find_person(runtime, text)
    except click.ClickException:
        kind, colon, value = text.partition(":")
        typed = value if colon and kind in ("email", "phone") else text
        address = normal_address(channel, typed, runtime.catalog().settings.region)
        if address is None:
            raise
        return None, address
    first = person.identifiers[0] if person.identifiers else Identifier("id", person.id)
    return first, None


def _values(pairs: Iterable[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"`--with {pair}`: write `--with name=value`")
        found[name] = value
    return found


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except DurationError as exc:
        raise click.UsageError(f"`--expires {text}`: {exc}") from exc


# --- replay


@click.command("replay")
@click.option("--from", "begins", required=True, metavar="T", help="Events from then on, by their own time.")
@click.option("--until", "ends", required=True, metavar="T", help="… and before then.")
@click.option(
    "--to", "names", multiple=True, metavar="DESTINATION", help="Only there; without it to all that are set."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay_command(begins: str, ends: str, names: tuple[str, ...], as_json: bool) -> None:
    """Send recorded events out again to destinations, in Segment's shapes; never a message.

    Each call carries the `messageId` it had, so that whoever had it already knows it. Exits 1 if a destination said no.
    """
    settings = load_settings()
    with opened(settings) as runtime:
        chosen = names or tuple(sorted(runtime.destinations))
        for name in chosen:
            if name not in runtime.destinations:
                raise click.UsageError(
                    f"no destination `{name}`; set {destination_variable(name)} to its address"
                )
        if not chosen:
            raise click.UsageError(
                "no destination is set; for instance ENGAGE_DESTINATION_CRM=https://crm.example/hook"
            )
        zone = runtime.catalog().settings.zone
        span = Span(begins=instant(begins, zone), ends=instant(ends, zone))
        if span.begins >= span.ends:
            raise click.UsageError("`--until` is not after `--from`")
        replay = runtime.replay(chosen)
        columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} events"))
        with Progress(
            *columns, console=screen(stderr=True), disable=not sys.stderr.isatty(), transient=True
        ) as bar:
            task = bar.add_task("events", total=None)
            replay.progress = lambda done: bar.update(task, completed=done.events)
            done = replay.run(span)
    if as_json:
        say_json({"from": span.begins, "until": span.ends, **msgspec.to_builtins(done)})
    else:
        click.echo(f"{done.events:,} events of {done.people:,} people")
        for name, told in done.destinations.items():
            no = f", {told.refused:,} refused ({told.code})" if told.refused else ""
            click.echo(f"  {name:20} {told.taken:,} taken{no}")
    if not done.complete:
        raise SystemExit(1)
