"""Settings: everything the environment (or `.env`) may say. Secrets have no default outside demo and tests."""

import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

_PAIRS = re.compile(r"(?:\s*[a-z_]+\s*=\s*(?:'(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|\Z))+\s*")
"""libpq's other way to write an address: `host=a dbname=b`."""
_ONE_AT = re.compile(r"\w+://(?:[^@/]*@)?[^@?]*(?:\?.*)?")
"""A URL with one `@` before its host: libpq takes the rest of a password with another for a host, and names it."""
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
MAX_PORT = 65_535
BROKERS = frozenset({"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "pyamqp", "memory"})
"""Kinds of brokers, as Celery names them; `memory` is for tests of one process."""
PREFIX_SECRET = "ENGAGE_USERSECRET_"
PREFIX_DESTINATION = "ENGAGE_DESTINATION_"
SECRETS = "secrets.env"
"""Where a local installation keeps the secrets that were made for it, below its data folder."""


class SettingsError(Exception):
    """The environment says something that cannot be; the text names the variable and what to write."""


def _setting(name: str, doc: str, default: Any = None, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"name": name, "doc": doc, "secret": secret})


def _list(name: str, doc: str, *, secret: bool = False) -> Any:
    return field(default=(), metadata={"name": name, "doc": doc, "secret": secret, "list": True})


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One process's settings. Every field is one environment variable; `docs/reference/settings.md` is made from here."""

    database_url: str | None = _setting(
        "ENGAGE_DATABASE_URL",
        "PostgreSQL (15 or newer) as a libpq URL. Absent: the embedded one.",
        secret=True,
    )
    broker_url: str | None = _setting(
        "ENGAGE_BROKER_URL",
        "Broker of the hints: `redis://`, `valkey://` (both also `…s://` and `…+socket://`), or `amqp://`. Absent: the embedded Valkey.",
        secret=True,
    )
    project: Path = _setting("ENGAGE_PROJECT", "Folder that holds `journeys/` and `templates/`.", Path())
    public_url: str = _setting(
        "ENGAGE_PUBLIC_URL", "Where providers and people reach us; webhooks and links begin with it.", ""
    )
    secret_key: tuple[str, ...] = _list(
        "ENGAGE_SECRET_KEY",
        "Keys that sign links and sessions, comma-separated: the first signs, all verify.",
        secret=True,
    )
    erasure_pepper: str | None = _setting(
        "ENGAGE_ERASURE_PEPPER",
        "Keys what is left of erased people: their addresses' opt-outs, and proofs. For good: never change it. Absent: derived from the oldest secret key.",
        secret=True,
    )
    write_keys: tuple[str, ...] = _list(
        "ENGAGE_WRITE_KEYS",
        "Segment write keys as `key:server` or `key:browser`, comma-separated.",
        secret=True,
    )
    api_tokens: tuple[str, ...] = _list(
        "ENGAGE_API_TOKENS", "Bootstrap tokens with the scope `admin`, comma-separated.", secret=True
    )
    data_dir: Path = _setting(
        "ENGAGE_DATA_DIR", "Where embedded services and generated secrets live.", Path(".engage")
    )
    listen: str = _setting("ENGAGE_LISTEN", "Address and port of the API and console.", "127.0.0.1:8000")
    api_url: str | None = _setting("ENGAGE_API_URL", "A remote server for the CLI to talk to.")
    api_token: str | None = _setting("ENGAGE_API_TOKEN", "The token for `ENGAGE_API_URL`.", secret=True)
    twilio_account_sid: str | None = _setting("TWILIO_ACCOUNT_SID", "Twilio account, `AC…`.")
    twilio_auth_token: tuple[str, ...] = _list(
        "TWILIO_AUTH_TOKEN",
        "Twilio's auth token: it signs webhooks, also where an API key sends. Two, comma-separated, during a rotation.",
        secret=True,
    )
    twilio_api_key: str | None = _setting("TWILIO_API_KEY", "Twilio API key, `SK…`; preferred for sending.")
    twilio_api_secret: str | None = _setting("TWILIO_API_SECRET", "Secret of the API key.", secret=True)
    twilio_messaging_service_sid: str | None = _setting(
        "TWILIO_MESSAGING_SERVICE_SID",
        "Messaging service that sends SMS, `MG…`, unless a sender is named elsewhere.",
    )
    twilio_from: str | None = _setting("TWILIO_FROM", "Number that sends SMS and makes calls, in E.164.")
    twilio_workspace_sid: str | None = _setting(
        "TWILIO_WORKSPACE_SID", "TaskRouter workspace of the agents that `handoff` steps hand over to."
    )
    twilio_workflows: tuple[str, ...] = _list(
        "TWILIO_WORKFLOWS",
        "Workflows by the names that `handoff` steps use: `sales=WW…, support=WW…`; `default` for none.",
    )
    twilio_verify_service_sid: str | None = _setting(
        "TWILIO_VERIFY_SERVICE_SID", "Verify service, `VA…`: makes the codes of steps with `sender: verify`."
    )
    twilio_video_url: str | None = _setting(
        "TWILIO_VIDEO_URL",
        "Page of yours on which people meet by video; `link('video:ROOM')` leads there, with `#room=…&token=…`. Needs `TWILIO_API_KEY`.",
    )
    twilio_api_base_url: str | None = _setting(
        "TWILIO_API_BASE_URL", "Another host for every Twilio product: the sandbox, or a proxy."
    )
    sendgrid_api_key: str | None = _setting("SENDGRID_API_KEY", "SendGrid API key, `SG.…`.", secret=True)
    sendgrid_from: str | None = _setting(
        "SENDGRID_FROM", "Default sender of mail: `Name <address>` or an address."
    )
    sendgrid_webhook_public_key: tuple[str, ...] = _list(
        "SENDGRID_WEBHOOK_PUBLIC_KEY", "Public keys of SendGrid's signed event webhook, comma-separated."
    )
    sendgrid_api_base_url: str | None = _setting(
        "SENDGRID_API_BASE_URL", "Another host for SendGrid: the sandbox, or a proxy."
    )
    smtp_url: str | None = _setting(
        "SMTP_URL",
        "An SMTP server that takes mail instead of SendGrid: `smtps://user:password@host` or `smtp://…` (STARTTLS); `?ca=FILE` for a "
        "certificate authority of your own, `?tls=none` for a server on this machine.",
        secret=True,
    )
    smtp_from: str | None = _setting("SMTP_FROM", "Default sender of mail through SMTP.")
    stream_window: float = _setting(
        "ENGAGE_STREAM_WINDOW",
        "Seconds after which a mail that SendGrid's event stream never mentioned, while it mentioned later ones, was not taken.",
        600.0,
    )
    destinations: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "name": "ENGAGE_DESTINATION_<NAME>",
            "doc": "Where `sync: name` and `replay --to name` send calls in Segment's shapes: the URL of a signed webhook, "
            "or `https://WRITE_KEY@host` for what speaks Segment's API.",
            "secret": True,
        },
    )
    user_secrets: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "name": "ENGAGE_USERSECRET_<NAME>",
            "doc": "Values that `secret('NAME')` gives journeys and templates.",
            "secret": True,
        },
    )

    @property
    def host_port(self) -> tuple[str, int]:
        """Where to listen."""
        host, _, port = self.listen.rpartition(":")
        try:
            number = int(port)
        except ValueError as exc:
            raise SettingsError(f"ENGAGE_LISTEN is `{self.listen}`; write `127.0.0.1:8000`") from exc
        if not 0 <= number <= MAX_PORT:
            raise SettingsError(f"ENGAGE_LISTEN is `{self.listen}`; a port is at most {MAX_PORT}")
        return host.strip("[]") or "127.0.0.1", number

    @property
    def is_browser_key(self) -> dict[str, bool]:
        """Whether each write key is a browser's; without a word of its own it is a server's.

        Raises:
            SettingsError: a key is neither, or both. It is not repeated: what follows a colon may be half of a secret.
        """
        found: dict[str, bool] = {}
        for entry in self.write_keys:
            key, _, kind = entry.partition(":")
            if not key or kind not in ("server", "browser", ""):
                raise SettingsError(
                    "a key in ENGAGE_WRITE_KEYS is no key; write `key:server` or `key:browser`"
                )
            if found.setdefault(key, kind == "browser") is not (kind == "browser"):
                raise SettingsError(
                    "a key in ENGAGE_WRITE_KEYS is a server's and a browser's; browsers need one of their own"
                )
        return found

    @property
    def base_url(self) -> str:
        """The public address, without a slash at its end."""
        return (self.public_url or f"http://{self.listen}").rstrip("/")


def load_settings(
    environment: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Read the settings of this process; the environment outweighs `.env`.

    Raises:
        SettingsError: a variable holds something that cannot be.
    """
    values = {**read_dotenv(dotenv), **(os.environ if environment is None else environment)}
    found: dict[str, Any] = {}
    for item in fields(Settings):
        name = item.metadata["name"]
        raw = values.get(name, "").strip()  # files and secret stores end with a line break
        if not raw:
            continue
        if not raw.isprintable():
            # Libraries quote what they cannot send, credentials too.
            raise SettingsError(
                f"{name} holds a line break or a control character: write it again, as one line"
            )
        if item.metadata.get("list"):
            found[item.name] = tuple(part.strip() for part in raw.split(",") if part.strip())
        elif isinstance(item.default, Path):
            found[item.name] = Path(raw)
        elif isinstance(item.default, float):
            found[item.name] = _number(name, raw)
        else:
            found[item.name] = raw
    found["user_secrets"] = {
        name.removeprefix(PREFIX_SECRET): value
        for name, value in values.items()
        if name.startswith(PREFIX_SECRET)
    }
    found["destinations"] = {
        name.removeprefix(PREFIX_DESTINATION).lower().replace("_", "-"): value
        for name, value in values.items()
        if name.startswith(PREFIX_DESTINATION) and value
    }
    _require_url(found.get("database_url"))
    if "broker_url" in found:
        found["broker_url"] = _broker_url(found["broker_url"])
    return Settings(**found)


def _require_url(url: str | None) -> None:
    """Refuse what the database's library would quote as it stands, with its password.

    Raises:
        SettingsError: it is no URL.
    """
    if url is None:
        return
    is_url = url.startswith(("postgresql://", "postgres://"))
    if not is_url and _PAIRS.fullmatch(url) is None:
        raise SettingsError(
            "ENGAGE_DATABASE_URL is no address of PostgreSQL: write `postgresql://user:password@host/database`"
        )
    if is_url and _LONE_PERCENT.search(url):
        raise SettingsError(
            "ENGAGE_DATABASE_URL holds a `%` that stands for itself, in the password perhaps: write it as `%25`"
        )
    if is_url and _ONE_AT.fullmatch(url) is None:
        raise SettingsError(
            "ENGAGE_DATABASE_URL holds a `@` or `/` that stands for itself, in the password perhaps: write `%40` and `%2F`"
        )


def _broker_url(url: str) -> str:
    """Return a broker's address as Celery reads it: Valkey speaks what Redis speaks, and Celery knows it by that name only.

    Raises:
        SettingsError: its kind is none that we know; Celery would say so by a traceback.
    """
    kind, there, rest = url.partition("://")
    kind = kind.replace("valkey", "redis", 1)
    if not there or kind not in BROKERS:
        raise SettingsError(
            "ENGAGE_BROKER_URL is no address of a broker: write `redis://host:6379/0`, `valkey://host:6379/0` or "
            "`amqp://user:password@host//`"
        )
    return f"{kind}://{rest}"


def destination_variable(name: str) -> str:
    """Return the variable that holds a destination's address."""
    return PREFIX_DESTINATION + name.upper().replace("-", "_")


def _number(name: str, raw: str) -> float:
    try:
        return float(raw)
    except ValueError as exc:
        raise SettingsError(f"{name} is `{raw}`; write a number of seconds") from exc


def read_dotenv(path: Path | None) -> dict[str, str]:
    """Return the `NAME=value` lines of a file, quotes taken off; nothing if there is no such file."""
    if path is None or not path.is_file():
        return {}
    values: dict[str, str] = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        values[name.strip()] = value.strip().strip("'\"")
    return values


def generated_secrets(data_dir: Path) -> dict[str, str]:
    """Return secrets for a local installation, made once and kept below `data_dir`, readable by the owner alone."""
    path = data_dir / SECRETS
    known = kept_secrets(data_dir)
    wanted = {
        "ENGAGE_SECRET_KEY": secrets.token_urlsafe(32),
        "ENGAGE_WRITE_KEYS": f"wk_{secrets.token_hex(12)}:server",
        "ENGAGE_API_TOKENS": f"et_{secrets.token_hex(20)}",
        "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
        "TWILIO_FROM": "+15005550006",
        "SENDGRID_API_KEY": f"SG.{secrets.token_urlsafe(22)}",
        "SENDGRID_FROM": "Fennel & Finch <hello@shop.example>",
    }
    if not known:
        # An installation that began without one derives it from its first secret key; another now would forget its list.
        wanted["ENGAGE_ERASURE_PEPPER"] = secrets.token_urlsafe(32)
    values = {**wanted, **known}
    if values != known:
        data_dir.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return values


def kept_secrets(data_dir: Path) -> dict[str, str]:
    """Return the secrets that were made for a local installation; none where nobody has asked for any yet."""
    return read_dotenv(data_dir / SECRETS)


def pepper_of(settings: Settings) -> bytes:
    """Return what keys the rest of erased people: a secret of its own, else derived from the oldest key, so that new ones can be added.

    On a machine whose secrets were generated, a command that was started without them keys as its workers do.
    """
    kept = kept_secrets(settings.data_dir)
    own = settings.erasure_pepper or ("" if settings.secret_key else kept.get("ENGAGE_ERASURE_PEPPER", ""))
    if own:
        return sha256(own.encode()).digest()
    keys = settings.secret_key or tuple(kept.get("ENGAGE_SECRET_KEY", "").split(","))
    return hmac.new(keys[-1].encode(), b"erased addresses", sha256).digest()
