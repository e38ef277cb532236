"""Rendering: templates of this folder into answers; everything written into a page is escaped."""

from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from engage.console import words
from engage.console.deps import ConsoleDeps

SECURITY = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Pages:
    """Makes pages."""

    def __init__(self, deps: ConsoleDeps) -> None:
        """Write times in the project's zone."""
        self._deps = deps
        self._jinja = Environment(
            loader=PackageLoader("engage.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters.update(
            channel=words.channel_word,
            reason=words.reason_words,
            tone=words.tone,
            value=words.value_text,
            values=words.values_text,
            age=words.seconds_text,
            duration=words.duration_text,
            count="{:,}".format,
            number=number_text,
        )

    def __call__(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page. `base` is where the console is mounted."""
        zone = self._deps.catalog().settings.zone
        html = self._jinja.get_template(template).render(
            base=base_of(request),
            path=request.url.path.removeprefix(base_of(request)),
            viewer=getattr(request.state, "viewer", None),
            public=self._deps.public,
            zone=zone.key,
            clock=partial(clock, zone=zone),
            day=partial(words.day_text, zone=zone),
            stamp=partial(words.stamp_text, zone=zone),
            **values,
        )
        return HTMLResponse(html, status)


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Return the time of day."""
    return words.clock_text(at, zone)


def number_text(number: float) -> str:
    """Return a count; nothing at all is a dot, so that the eye finds the others."""
    return f"{number:,}" if number else "·"


def base_of(request: Request) -> str:
    """Return the path below which the console is mounted."""
    base: str = request.scope.get("root_path", "")
    return base.rstrip("/")
