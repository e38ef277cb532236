"""What the sandbox is told: listening, accounts, senders, speed, chances; changeable while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

#: Settings that a running process cannot change.
FIXED = frozenset({"host", "port", "signing_key", "callback_connections"})


class ConfigError(ValueError):
    """A setting is unknown, fixed while the sandbox runs, or of the wrong type."""


FASTEST = 1_000_000
"""Sandbox seconds in a real one; beyond, its time would soon be no number."""
URLS = ("event_webhook_url", "inbound_sms_url", "inbound_email_url", "conversations_url", "task_events_url")


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """All settings of one sandbox.

    Empty credentials mean "accept any, but demand some". Empty `numbers` mean that any well-formed sender is ours, apart
    from the test range +1500555xxxx, which always follows the table of magic numbers. Times are in sandbox seconds:
    a `speed` of 10 makes ten of them pass in one real second, 0 stops the clock.
    """

    host: str = "127.0.0.1"
    port: int = 8010

    account_sid: str = ""
    auth_token: str = ""
    """Signs the callbacks; while empty, the token that the client last sent with its account SID signs."""
    api_keys: dict[str, str] = field(default_factory=dict)
    """API key SID to secret; only asked for when `account_sid` is set."""
    sendgrid_api_key: str = ""
    verified_senders: tuple[str, ...] = ()
    """Addresses and domains that mail may come from; others are refused with 403. Empty: all."""
    signing_key: str = ""
    """PEM of the P-256 key that signs event batches; generated at start while empty."""

    event_webhook_url: str = ""
    inbound_sms_url: str = ""
    inbound_email_url: str = ""
    conversations_url: str = ""
    """The webhook of Conversations: somebody wrote into one."""
    task_events_url: str = ""
    """The workspace's event callback: what becomes of TaskRouter tasks and Flex interactions."""

    numbers: tuple[str, ...] = ()
    messaging_services: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Service SID to its pool of numbers."""
    lookup_fails: bool = False
    """Lookup answers 503, whatever it is asked."""
    enforce_rates: bool = False
    """Meter every sender as carriers do (1/3/100/80 segments a second by kind), calls at one a second."""
    call_queue_seconds: float = 86_400.0
    """With `enforce_rates`: where a call would wait longer for its turn, it is refused with 22005."""

    seed: int = 1
    speed: float = 1.0
    latencies: bool = True
    """False: every step of a life follows at once, whatever the figures below say."""
    api_latency_ms: float = 80.0
    """Median; the 99th percentile is five times as long."""
    sent_seconds: float = 0.5
    delivered_seconds: float = 2.0
    """Median; the 99th percentile is fifteen times as long."""
    processed_seconds: float = 1.0
    email_delivered_seconds: float = 3.0
    engage_seconds: float = 20.0
    """From the arrival of a mail to its opening, from the opening to the click (median)."""
    ring_seconds: float = 3.0
    event_batch_seconds: float = 1.0

    open_share: float = 0.0
    click_share: float = 0.0
    """Shares of ordinary addresses that open and click, chosen by the seeded hash of the address; a click implies an opening."""
    gather_share: float = 0.0
    """Share of ordinary called numbers that press `gather_digits` when asked."""
    gather_digits: str = "1"
    reader_fetches: bool = True
    """Where the sender switched the provider's tracking off, a reader's opening and click really fetch image and link."""

    auto_reply: bool = False
    """The twin answers STOP, START and HELP itself, as the provider does."""
    opt_out_type: bool = False
    """Inbound webhooks of STOP, START and HELP carry `OptOutType` (Advanced Opt-Out)."""

    keep: int = 100_000
    """So many of the newest messages are kept; counters stay exact beyond it."""
    keep_bytes: int = 256_000_000
    """Beyond so many characters of bodies the oldest bodies are emptied."""
    callback_connections: int = 64
    """Parallel callbacks per receiving host."""
    hang_seconds: float = 120.0
    """Real seconds that a hanging request is held before its connection is dropped."""

    def with_changes(self, changes: dict[str, Any]) -> SandboxConfig:
        """Return this configuration with `changes` applied.

        Raises:
            ConfigError: a name is unknown or fixed, or a value has the wrong type.
        """
        known = asdict(self)
        for name in changes:
            if name not in known:
                raise ConfigError(f"unknown setting {name!r}; known are {', '.join(sorted(known))}")
            if name in FIXED:
                raise ConfigError(f"{name!r} cannot change while the sandbox runs")
        return make_config(known | changes)


def make_config(values: dict[str, Any]) -> SandboxConfig:
    """Return a configuration from plain JSON-like values; absent names keep their defaults.

    Raises:
        ConfigError: a value has the wrong type or lies outside its range.
    """
    try:
        config = msgspec.convert(values, SandboxConfig)
    except msgspec.ValidationError as exc:
        raise ConfigError(str(exc)) from exc
    if not 0 <= config.speed <= FASTEST:
        raise ConfigError(f"speed must lie between 0 (stopped) and {FASTEST:,}")
    for name in ("keep", "keep_bytes"):
        if getattr(config, name) < 0:
            raise ConfigError(f"{name} must be 0 or more")
    for name in URLS:
        _see_url(name, getattr(config, name))
    for name in ("open_share", "click_share", "gather_share"):
        if not 0 <= getattr(config, name) <= 1:
            raise ConfigError(f"{name} must lie between 0 and 1")
    return config


def _see_url(name: str, url: str) -> None:
    try:
        urlsplit(url)
    except ValueError as exc:
        raise ConfigError(f"{name}: {exc}") from exc
