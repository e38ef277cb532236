"""Templating: published templates become content; a refusal to render is a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from engage.domain.delivery.delivery import Channel
from engage.domain.links.short_link import ShortLink
from engage.ports.channel import Content


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Signed addresses for one delivery, made lazily: a template that does not use one costs nothing."""

    unsubscribe_url: str
    preferences_url: str
    view_url: str
    confirm_url: Mapping[str, str] = field(default_factory=dict)
    """topic → address (a mapping that makes them on demand)."""

    def tracked(self, url: str) -> str:
        """Return the address that stands for `link(url)` in a text: clicks on it are counted. Here: the target itself."""
        return url

    @property
    def made(self) -> Sequence[ShortLink]:
        """The tracked links that were asked for: to be kept before the message leaves."""
        return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderRequest:
    """What one delivery is rendered from. All values are JSON with exact decimals."""

    channel: Channel
    template: str | None
    text: str | None
    """An inline text instead of a template (`text:` of a step, `POST /v1/deliveries`)."""
    profile: Mapping[str, Any]
    entry: Mapping[str, Any]
    event: Mapping[str, Any]
    run: Mapping[str, Any]
    variables: Mapping[str, Any]
    """`with.<name>`"""
    now: datetime
    zone: str
    locale: str | None
    default_locale: str
    links: Links
    marketing: bool
    """Whether opt-out headers and texts belong on it (a topic that is not transactional)."""
    unsubscribe_mailbox: str | None = None
    """Where a mail that says no may be sent to."""
    window_open: bool = True
    """Whether this person wrote to us on WhatsApp within 24 hours: then a free text may go."""
    opt_out_line: str | None = None
    smart_encoding: bool = False
    """A line to put below an SMS: the first message of a topic to an address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """The content, and which published version of the template made it."""

    content: Content
    template_version: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderRefused:
    """Why this person's delivery could not be rendered: a missing value, a limit; with the place."""

    detail: str


class Renderer(Protocol):
    """Renders published templates; compiled once, thread-safe."""

    def render(self, request: RenderRequest) -> Rendered | RenderRefused:
        """Render one delivery. Bounded in time, memory and output; never raises for what a template does."""
        ...
