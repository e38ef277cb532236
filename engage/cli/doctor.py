"""Command `doctor`: what is misconfigured, told with what to write. Secrets are named, never shown."""

import http.client
import json
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

import click
import msgspec

from engage.bootstrap import Runtime
from engage.cli.session import opened, say_json
from engage.clocks import VARIABLE as CLOCK
from engage.domain.steps.calls import Sync
from engage.engine.settle.lists import state_of
from engage.settings import Settings, SettingsError, destination_variable, kept_secrets, load_settings

PATIENCE = 5.0
LEAST_KEY = 24
"""Characters; random ones of so many are guessed by nobody."""
CLOCK_SECONDS = 2.0
"""A machine further off than this from the database's clock is wrong by enough to matter to leases and signatures."""
_SECRET = re.compile(r"secret\('([A-Za-z_][A-Za-z0-9_]*)'\)")


class Health(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    health: Health
    told: str
    hint: str = ""


def _ok(what: str, told: str) -> Finding:
    return Finding(what=what, health=Health.OK, told=told)


def _warning(what: str, told: str, hint: str = "") -> Finding:
    return Finding(what=what, health=Health.WARNING, told=told, hint=hint)


def _wrong(what: str, told: str, hint: str = "") -> Finding:
    return Finding(what=what, health=Health.WRONG, told=told, hint=hint)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(as_json: bool) -> None:
    """Say what is misconfigured: database, schema, clock, broker, callbacks, keys, secrets. Exits 1 if anything is wrong."""
    settings = load_settings()
    found = list(findings(settings))
    if as_json:
        say_json(
            {
                "ok": not any(one.health is Health.WRONG for one in found),
                "findings": found,
                "settings": which_set(settings),
            }
        )
    else:
        colours = {Health.OK: "green", Health.WARNING: "yellow", Health.WRONG: "red"}
        for one in found:
            hint = f"; {one.hint}" if one.hint else ""
            click.echo(
                f"  {click.style(f'{one.health:8}', fg=colours[one.health])} {one.what:16} {one.told}{hint}"
            )
        is_set = [name for name, there in which_set(settings).items() if there]
        click.echo(f"set: {', '.join(is_set) or 'nothing'}")
    if any(one.health is Health.WRONG for one in found):
        raise SystemExit(1)


def which_set(settings: Settings) -> dict[str, bool]:
    """Return for every setting whether it is set; values stay where they are."""
    found: dict[str, bool] = {}
    for item in fields(Settings):
        value = getattr(settings, item.name)
        if item.name == "user_secrets":
            found.update({f"ENGAGE_USERSECRET_{name}": True for name in sorted(value)})
        elif item.name == "destinations":
            found.update({destination_variable(name): True for name in sorted(value)})
        else:
            found[item.metadata["name"]] = value not in (None, (), "") and value != item.default
    return found


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield everything there is to say."""
    with ExitStack() as stack:
        runtime: Runtime | None = None
        try:
            runtime = stack.enter_context(opened(settings))
        except click.ClickException as exc:
            yield _wrong("database", exc.format_message())
        if runtime is not None:
            yield _ok("database", "answers, and has this version's schema")
            yield _clock(runtime)
            yield from _definitions(runtime)
            yield from _lists(runtime)
    yield _broker(settings)
    yield from _keys(settings)
    yield from _callbacks(settings)
    yield from _twilio(settings)
    yield from _sendgrid(settings)


def _clock(runtime: Runtime) -> Finding:
    if os.environ.get(CLOCK):
        return _wrong("clock", f"{CLOCK} is set: this process lives on the demo's clock", "unset it")
    before = datetime.now(UTC)
    with runtime.store.session() as session:
        there: datetime = session.one("SELECT clock_timestamp()")
    middle = before + (datetime.now(UTC) - before) / 2
    off = abs((there - middle).total_seconds())
    if off > CLOCK_SECONDS:
        return _wrong(
            "clock", f"is {off:.1f} s away from the database's", "let the machine's clock be kept by NTP"
        )
    return _ok("clock", f"within {off:.2f} s of the database's")


def _definitions(runtime: Runtime) -> Iterator[Finding]:
    with runtime.store.transaction() as tx:
        live = tx.definitions.live()
        catalog = runtime.compiled.catalog_of(tx)
    if not live:
        yield _warning("definitions", "nothing is live", "`engage publish` makes the project live")
        return
    known = {("journey", name) for name in catalog.journeys}
    known |= {("audience", name) for name in catalog.audiences} | {("trait", name) for name in catalog.traits}
    broken = [
        f"{item.kind} {item.name}"
        for item in live
        if item.kind in ("journey", "audience", "trait") and (item.kind, item.name) not in known
    ]
    if broken:
        yield _wrong(
            "definitions",
            f"this version cannot read: {', '.join(broken)}",
            "`engage check`, then publish again",
        )
    else:
        yield _ok("definitions", f"{len(live)} are live, epoch {catalog.epoch}")
    asked = {name for item in live for name in _SECRET.findall(item.source)}
    missing = sorted(asked - set(runtime.settings.user_secrets))
    if missing:
        told = ", ".join(f"ENGAGE_USERSECRET_{name}" for name in missing)
        yield _wrong("secrets", f"definitions ask for what is not set: {told}", "set them for every process")
    elif asked:
        yield _ok("secrets", f"all {len(asked)} that definitions ask for are set")
    steps = [node.step for one in catalog.journeys.values() for node in one.journey.program.walk()]
    wanted = {step.sync.to for step in steps if isinstance(step, Sync)}
    unknown = sorted(wanted - set(runtime.destinations))
    if unknown:
        told = ", ".join(map(destination_variable, unknown))
        yield _wrong(
            "destinations",
            f"journeys sync to what is not set: {told}",
            "set their addresses for every process",
        )
    elif wanted:
        yield _ok("destinations", f"all {len(wanted)} that journeys sync to are set")


def _lists(runtime: Runtime) -> Iterator[Finding]:
    """How far the lists that providers keep by themselves and ours are in step."""
    for provider in (room.name for room in runtime.lists):
        state, counts = state_of(runtime.store, provider)
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nobody"
        if state is None:
            yield _warning("lists", f"{provider}'s lists were never read", "a worker and `engage beat` do it")
        elif state.error is not None:
            yield _warning("lists", f"{provider}'s lists cannot be read or written: {state.error}")
        elif state.passed_at is None:
            yield _ok("lists", f"{provider}'s lists are being read for the first time: {told} so far")
        else:
            yield _ok(
                "lists", f"{provider}'s lists and ours agreed at {state.passed_at:%Y-%m-%d %H:%M} UTC: {told}"
            )


def _broker(settings: Settings) -> Finding:
    if settings.broker_url is None:
        return _ok("broker", "the embedded Valkey")
    from workers.app import app  # the one place that knows Celery

    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
        workers = app.control.inspect(timeout=1.0).ping() or {}
    except Exception as exc:
        # Every transport has errors of its own; whatever it is, the broker does not answer.
        return _wrong("broker", f"does not answer ({type(exc).__name__})", "look at ENGAGE_BROKER_URL")
    if not workers:
        return _warning("broker", "answers, but no worker does", "start `engage worker`")
    return _ok("broker", f"answers, with {len(workers)} workers")


def _keys(settings: Settings) -> Iterator[Finding]:
    kept = kept_secrets(settings.data_dir)
    for name, value, hint in (
        (
            "ENGAGE_SECRET_KEY",
            settings.secret_key,
            "links cannot be signed without one: 32 random characters or more",
        ),
        ("ENGAGE_WRITE_KEYS", settings.write_keys, "nothing can send events without one: `key:server`"),
        ("ENGAGE_API_TOKENS", settings.api_tokens, "or make tokens with `engage token create`"),
    ):
        if value:
            yield _ok("keys", f"{name} is set")
        elif name in kept:
            yield _warning(
                "keys",
                f"{name} is not set",
                "`engage up` uses one of its own: bring yours before you go live",
            )
        elif name == "ENGAGE_API_TOKENS":
            yield _warning("keys", f"{name} is not set", hint)
        else:
            yield _wrong("keys", f"{name} is not set", hint)
    try:
        browsers = settings.is_browser_key
    except SettingsError as exc:
        yield _wrong("keys", str(exc))
        browsers = {}
    if len(settings.secret_key) > 1 and not settings.erasure_pepper:
        yield _warning(
            "keys",
            "ENGAGE_ERASURE_PEPPER is not set: the oldest key in ENGAGE_SECRET_KEY keys the list of erased addresses",
            "do not drop that key; see docs/how-to/privacy.md",
        )
    server_keys = [key for key, is_public in browsers.items() if not is_public]
    for name, held, harm in (
        ("ENGAGE_SECRET_KEY", settings.secret_key, "can unsubscribe everybody"),
        ("ENGAGE_API_TOKENS", settings.api_tokens, "may do everything"),
        ("ENGAGE_WRITE_KEYS", server_keys, "can say anything of anybody"),
    ):
        if any(len(key) < LEAST_KEY for key in held):
            advice = f"whoever guesses it {harm}, and nobody counts guesses: use 32 random characters"
            yield _warning("keys", f"a key in {name} is short", advice)


def _callbacks(settings: Settings) -> Iterator[Finding]:
    if not settings.public_url:
        yield _warning(
            "callbacks", "ENGAGE_PUBLIC_URL is not set", "providers can only reach a public https address"
        )
        return
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" and not _sandboxed(settings):
        yield _wrong(
            "callbacks", f"ENGAGE_PUBLIC_URL begins with {parts.scheme}://", "providers sign and call https"
        )
    try:
        status = _fetch(f"{settings.base_url}/healthz")
    except (OSError, http.client.HTTPException, SettingsError) as exc:
        yield _wrong(
            "callbacks",
            f"{settings.public_url} does not answer ({type(exc).__name__})",
            "is `engage api` running, and the proxy before it?",
        )
        return
    if status == "ok":
        yield _ok("callbacks", f"{settings.public_url} reaches our API, seen from here")
    else:
        yield _wrong(
            "callbacks",
            f"{settings.public_url} is answered by somebody else",
            "the proxy must pass path and query on unchanged",
        )


def _fetch(url: str) -> object:
    """Return `status` of the JSON at a URL; none if it is something else."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=PATIENCE, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path)
        body = connection.getresponse().read(10_000)
    finally:
        connection.close()
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found.get("status") if isinstance(found, dict) else None


def _sandboxed(settings: Settings) -> bool:
    return settings.twilio_api_base_url is not None or settings.sendgrid_api_base_url is not None


def _twilio(settings: Settings) -> Iterator[Finding]:
    if settings.twilio_api_base_url is not None:
        yield _warning(
            "twilio",
            "TWILIO_API_BASE_URL is set: calls go to another host",
            "right for the sandbox, wrong when live",
        )
    if settings.twilio_account_sid is None:
        yield _warning("twilio", "TWILIO_ACCOUNT_SID is not set: no SMS, no calls")
        return
    if not settings.twilio_account_sid.startswith("AC"):
        yield _wrong(
            "twilio", "TWILIO_ACCOUNT_SID does not begin with AC", "it stands on the console's start page"
        )
    if not settings.twilio_auth_token:
        yield _wrong(
            "twilio",
            "TWILIO_AUTH_TOKEN is not set: no webhook can be verified",
            "it is needed beside an API key too",
        )
    if (settings.twilio_api_key is None) != (settings.twilio_api_secret is None):
        yield _wrong("twilio", "only one of TWILIO_API_KEY and TWILIO_API_SECRET is set", "they go together")
    if settings.twilio_messaging_service_sid is None and settings.twilio_from is None:
        yield _wrong(
            "twilio", "there is nobody to send as", "set TWILIO_MESSAGING_SERVICE_SID or TWILIO_FROM"
        )
    elif settings.twilio_from is None:
        yield _warning("twilio", "TWILIO_FROM is not set: no calls", "calls have no messaging service")
    else:
        yield _ok("twilio", "account and sender are set")


def _sendgrid(settings: Settings) -> Iterator[Finding]:
    if settings.sendgrid_api_base_url is not None:
        yield _warning(
            "sendgrid",
            "SENDGRID_API_BASE_URL is set: mail goes to another host",
            "right for the sandbox and for EU accounts",
        )
    if settings.sendgrid_api_key is None:
        yield _warning("sendgrid", "SENDGRID_API_KEY is not set: no mail")
        return
    if settings.sendgrid_from is None:
        yield _warning("sendgrid", "SENDGRID_FROM is not set: every template must name its sender")
    if not settings.sendgrid_webhook_public_key:
        yield _wrong(
            "sendgrid",
            "SENDGRID_WEBHOOK_PUBLIC_KEY is not set: events are refused with 403",
            "copy it from Signed Event Webhook",
        )
    else:
        yield _ok("sendgrid", "key and webhook are set")
