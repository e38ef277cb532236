"""The published templates of a project, ready to render."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import lru_cache
from types import TracebackType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from jinja2.environment import Template

from engage.domain.delivery.delivery import Channel
from engage.domain.timing import zone_of
from engage.ports.channel import Content, EmailContent, SmsContent, VoiceContent
from engage.ports.templating import Rendered, RenderRefused, RenderRequest
from engage.templating.check import Use
from engage.templating.environment import Lazy, StrictEnvironment, render_text
from engage.templating.gsm import plain, segments
from engage.templating.inline import text_problem
from engage.templating.meta import Meta, address, header, mailbox
from engage.templating.plain_text import text_of_html, tidy
from engage.templating.source import choose
from engage.templating.values import MAX_OUTPUT, MAX_STEPS, LimitError, RefusalError, rendering
from engage.templating.voice import Say, VoiceScript, handwritten
from engage.templating.whatsapp import WhatsappScript

MAX_SMS = 1600
"""Characters of a message; Twilio, Messages resource."""
INLINE_TEXTS = 2048
"""Compiled inline texts kept; journeys have a handful each, `POST /v1/deliveries` may send any."""
FINAL, DERIVED = "#final.html", "#derived.txt"
"""What is added to a file's name for what publishing made of it."""
_UTC = ZoneInfo("UTC")
_TEXT_KINDS = {
    Channel.SMS: ("sms",),
    Channel.MMS: ("mms", "sms"),
    Channel.CHAT: ("chat", "sms"),
    Channel.WHATSAPP: ("whatsapp",),
}

Locale = str | None
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class MailPart:
    """One locale of a mail."""

    html: Template | None = None
    text: Template | None = None
    is_derived: bool = False
    """The text was made from the HTML."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """One template, compiled."""

    name: str
    version: int
    metas: Mapping[Locale, Meta] = field(default_factory=dict)
    mails: Mapping[Locale, MailPart] = field(default_factory=dict)
    texts: Mapping[str, Mapping[Locale, Template]] = field(default_factory=dict)
    """By kind: sms, mms, chat, whatsapp."""
    voices: Mapping[Locale, VoiceScript | Template] = field(default_factory=dict)
    whatsapps: Mapping[Locale, WhatsappScript] = field(default_factory=dict)
    uses: tuple[Use, ...] = ()


class TemplateSet:
    """Renders published templates. Immutable and thread-safe; see `engage.ports.templating.Renderer`."""

    def __init__(
        self,
        environment: StrictEnvironment,
        published: Mapping[str, Published],
    ) -> None:
        self._environment = environment
        self._published = published
        self._inline = lru_cache(maxsize=INLINE_TEXTS)(self._compile_inline)

    @property
    def names(self) -> frozenset[str]:
        """The templates that can be rendered."""
        return frozenset(self._published)

    def version(self, name: str) -> int:
        """Return the published version of a template."""
        return self._published[name].version

    def required(self, name: str) -> tuple[str, ...]:
        """Return the variables that a send must supply by `with`: those `meta.yaml` requires and those it reads unguarded."""
        published = self._published[name]
        asked = {path for meta in published.metas.values() for path in meta.required}
        read = {use.path for use in published.uses if not use.is_optional}
        return tuple(sorted({path.split(".")[1] for path in asked | read if path.startswith("with.")}))

    def uses(self, name: str) -> tuple[Use, ...]:
        """Return every value of profile, entry, event, run and `with` that a template reads."""
        return self._published[name].uses

    def channels(self, name: str) -> frozenset[Channel]:
        """Return the channels that a template has a content for."""
        published = self._published[name]
        found = {
            channel
            for channel, kinds in _TEXT_KINDS.items()
            if any(kind in published.texts for kind in kinds)
        }
        found |= {Channel.EMAIL} if published.mails else set()
        found |= {Channel.WHATSAPP} if published.whatsapps else set()
        return frozenset(found | ({Channel.VOICE} if published.voices else set()))

    def render(self, request: RenderRequest) -> Rendered | RenderRefused:
        """Render one delivery. Bounded in time, memory and output; never raises for what a template does."""
        published = None if request.template is None else self._published.get(request.template)
        if request.template is not None and published is None:
            return RenderRefused(detail=f"there is no template `{request.template}`")
        rendering.steps = MAX_STEPS
        rendering.now = request.now
        rendering.zone = zone_of(request.zone, _UTC)[0]
        rendering.links = request.links
        values = _values(request)
        try:
            content = (
                self._inline_content(request, values)
                if published is None
                else self._content(published, request, values)
            )
        except (
            Exception
        ) as exc:  # Whatever a template manages to raise is a refusal of this delivery, no more.
            return RenderRefused(detail=self._detail(exc, values))
        finally:
            rendering.links = None
        return Rendered(content=content, template_version=None if published is None else published.version)

    # --- contents ---

    def _content(self, published: Published, request: RenderRequest, values: dict[str, Any]) -> Content:
        meta = _chosen(published.metas, request, "meta") if published.metas else Meta()
        for path in meta.required:
            if _lookup(values, path) is None:
                raise RefusalError(f"`{path}` is required")
        match request.channel:
            case Channel.EMAIL:
                return self._mail(published, meta, request, values)
            case Channel.VOICE:
                script = _chosen(published.voices, request, "voice")
                if isinstance(script, VoiceScript):
                    return script.render(values)
                return VoiceContent(twiml=handwritten(_output(script, values)))
            case Channel.WHATSAPP if published.whatsapps:
                approved = _chosen(published.whatsapps, request, "whatsapp")
                text = approved.free_text(values, window_open=request.window_open)
                return approved.template(values) if text is None else _message(text, request, ())
            case _:
                kinds = _TEXT_KINDS[request.channel]
                kind = next((kind for kind in kinds if kind in published.texts), kinds[-1])
                template = _chosen(published.texts.get(kind, {}), request, kind)
                media = tuple(text(values) for text in meta.media) if request.channel is Channel.MMS else ()
                return _message(_output(template, values), request, media)

    def _mail(
        self, published: Published, meta: Meta, request: RenderRequest, values: dict[str, Any]
    ) -> EmailContent:
        part = _chosen(published.mails, request, "email")
        html = None if part.html is None else _output(part.html, values)
        if part.text is not None:
            text = _output(part.text, values)
            text = tidy(text) if part.is_derived else text
        else:
            text = text_of_html(html or "")
        name, sender = address(meta.sender(values), "from") if meta.sender else (None, None)
        subject = header(meta.subject(values)) if meta.subject else published.name
        if not subject:
            raise RefusalError("the subject is empty")
        return EmailContent(
            subject=subject,
            html=html,
            text=text,
            from_address=sender,
            from_name=name,
            reply_to=mailbox(meta.reply_to(values), "reply_to") if meta.reply_to else None,
            headers={} if meta.unsubscribe_group is not None else _opt_out_headers(request),
            categories=tuple(dict.fromkeys((published.name, *meta.categories))),
            attachments=meta.attached(values),
            opens=meta.opens,
            clicks=meta.clicks,
            pool=meta.pool,
            unsubscribe_group=meta.unsubscribe_group,
        )

    def _inline_content(self, request: RenderRequest, values: dict[str, Any]) -> Content:
        text = _output(self._inline(request.text or ""), values)
        match request.channel:
            case Channel.EMAIL:
                lines = text.strip().splitlines()
                if not lines:
                    raise RefusalError("the text is empty")
                return EmailContent(
                    subject=header(lines[0])[:100], html=None, text=text, headers=_opt_out_headers(request)
                )
            case Channel.VOICE:
                return VoiceScript("", "off", (Say(lambda _: text.strip()),), ()).render(values)
            case _:
                return _message(text, request, ())

    def _compile_inline(self, text: str) -> Template:
        problem = text_problem(text)
        if problem is not None:
            raise RefusalError(problem)
        return self._environment.from_string(text)

    # --- refusals ---

    def _detail(self, exc: Exception, values: dict[str, Any]) -> str:
        place = _place(exc.__traceback__)
        if place is not None and place[0].endswith((FINAL, DERIVED)):
            place = self._original(place, values)
        where = "" if place is None else f"templates/{place[0].replace('#', ': ')}:{place[1]}: "
        if isinstance(exc, RefusalError):
            return f"{where}{exc}"
        if isinstance(exc, RecursionError):
            return f"{where}the template calls itself without end"
        # The text of a foreign exception may quote the person's data.
        return f"{where}the template cannot be computed ({type(exc).__name__})"

    def _original(self, place: tuple[str, int], values: dict[str, Any]) -> tuple[str, int]:
        """Find the line in the file that a compiled mail was made from, by rendering that once more."""
        name = place[0].partition("#")[0]
        rendering.steps = MAX_STEPS
        try:
            render_text(self._environment.get_template(name), values)
        except Exception as exc:
            return _place(exc.__traceback__) or (name, 1)
        return (name, 1)


def _values(request: RenderRequest) -> dict[str, Any]:
    links = request.links
    return {
        "profile": request.profile,
        "entry": request.entry,
        "event": request.event,
        "run": request.run,
        "with": request.variables,
        "now": request.now.astimezone(UTC),
        "unsubscribe_url": Lazy(lambda: links.unsubscribe_url),
        "preferences_url": Lazy(lambda: links.preferences_url),
        "view_url": Lazy(lambda: links.view_url),
    }


def _lookup(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _chosen(present: Mapping[Locale, T], request: RenderRequest, what: str) -> T:
    if not present:
        raise RefusalError(f"the template has no {what}")
    is_there, locale = choose(present, request.locale, request.default_locale)
    if not is_there:
        raise RefusalError(f"the template has no {what} for `{request.locale or request.default_locale}`")
    return present[locale]


def _output(template: Template, values: dict[str, Any]) -> str:
    text = render_text(template, values)
    if len(text) > MAX_OUTPUT:
        raise LimitError("the result is too large")
    return text


def _message(text: str, request: RenderRequest, media: tuple[str, ...]) -> SmsContent:
    body = text.strip()
    if not body and not media:
        raise RefusalError("the text is empty")
    if request.opt_out_line:
        body = f"{body}\n{request.opt_out_line}"
    if len(body) > MAX_SMS:
        raise LimitError(f"the text has {len(body)} characters; {MAX_SMS} at most")
    smart = request.smart_encoding
    count = 1 if media else segments(plain(body) if smart else body)
    return SmsContent(body=body, media=media, smart_encoding=smart, segments=count)


def _opt_out_headers(request: RenderRequest) -> dict[str, str]:
    """One-click unsubscribing, RFC 8058, and by mail for programs that know only RFC 2369."""
    if not request.marketing:
        return {}
    mailbox = request.unsubscribe_mailbox
    by_mail = "" if mailbox is None else f", <mailto:{header(mailbox)}?subject=unsubscribe>"
    return {
        "List-Unsubscribe": f"<{header(request.links.unsubscribe_url)}>{by_mail}",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _place(trace: TracebackType | None) -> tuple[str, int] | None:
    """Return the template and line in which an exception came up."""
    found = None
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None and template.name:
            found = (template.name, template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return found
