"""Rendering: a released delivery and its person become what a channel sends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import CALLS, TEMPLATE_ONLY, Channel, Delivery
from engage.domain.delivery.sender import sender_of
from engage.domain.links.short_link import ShortLink
from engage.domain.profile.profile import Profile
from engage.domain.profile.spelling import both_spellings
from engage.domain.timing import zone_of
from engage.engine.deliver.calling import call_of
from engage.ports.channel import Outbound
from engage.ports.templating import Links, Renderer, RenderRefused, RenderRequest

MAX_VALIDITY = timedelta(hours=10)
"""Twilio's ValidityPeriod ends here; providers.md §1.1. Calls have none: we take back what waits too long."""

LinksOf = Callable[[Delivery, str], Links]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """A rendered delivery, or why it could not be."""

    outbound: Outbound | None
    refused: str | None = None
    template_version: int | None = None
    links: Sequence[ShortLink] = ()
    """The tracked links in it: to be kept before it leaves."""


class Requests:
    """Renders deliveries for release; holds how links are signed."""

    def __init__(self, links_of: LinksOf) -> None:
        """`links_of` makes the signed addresses of one delivery to one address."""
        self._links_of = links_of

    def render(
        self,
        renderer: Renderer,
        delivery: Delivery,
        profile: Profile,
        catalog: Catalog,
        now: datetime,
        address: str,
        opt_out_line: str | None,
        until: datetime | None = None,
        *,
        window_open: bool = True,
        is_new: bool = False,
    ) -> Rendering:
        """Render one delivery, which may reach its person `until` then. Never raises for what a template does.

        `window_open`: the person wrote to us on WhatsApp within 24 hours. `is_new`: nothing ever went to this number.
        """
        if delivery.channel in CALLS:
            return Rendering(outbound=call_of(delivery, profile, catalog))
        settings = catalog.settings
        context = delivery.context
        entry = context.get("entry", {})
        locale = profile.traits.get("locale")
        links = self._links_of(delivery, address)
        rendered = renderer.render(
            RenderRequest(
                channel=delivery.channel,
                template=delivery.template,
                text=delivery.text,
                profile=person_view(profile),
                entry=entry,
                event=context.get("event") or entry,
                run=context.get("run", {}),
                variables=delivery.variables,
                now=now,
                zone=zone_of(profile.traits.get("timezone"), settings.zone)[0].key,
                locale=locale if isinstance(locale, str) else None,
                default_locale=settings.locale,
                links=links,
                marketing=not settings.is_transactional(delivery.topic) and not delivery.automatic,
                unsubscribe_mailbox=settings.mail.unsubscribe,
                window_open=window_open and delivery.form != TEMPLATE_ONLY,
                opt_out_line=opt_out_line,
                smart_encoding=settings.sms.smart_encoding,
            )
        )
        if isinstance(rendered, RenderRefused):
            return Rendering(outbound=None, refused=rendered.detail)
        return Rendering(
            outbound=Outbound(
                delivery=delivery.id,
                lane=delivery.lane,
                channel=delivery.channel,
                to=address,
                content=rendered.content,
                sender=delivery.sender or sender_of(settings, delivery.channel),
                validity=_validity(delivery, until, now),
                look_up=is_new and settings.sms.lookup,
            ),
            template_version=rendered.template_version,
            links=links.made,
        )


def person_view(profile: Profile) -> dict[str, object]:
    """Return what a template reads as `profile`."""
    return {
        **both_spellings(profile.traits),
        "id": profile.id,
        "user_id": profile.identifier("user_id"),
        "anonymous_id": profile.identifier("anonymous_id"),
    }


def _validity(delivery: Delivery, until: datetime | None, now: datetime) -> timedelta | None:
    ends = [end for end in (delivery.expires_at, until) if end is not None]
    if not ends:
        return None
    left = max(timedelta(seconds=1), min(ends) - now)
    return left if delivery.channel is Channel.VOICE else min(left, MAX_VALIDITY)
