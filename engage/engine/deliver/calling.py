"""Calling: a released call to another system becomes what its sender sends."""

from datetime import timedelta
from typing import assert_never

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.profile.person import address_of
from engage.domain.profile.profile import Profile
from engage.ports.channel import CallContent, HandoffContent, Outbound, SyncContent, WebhookContent


def call_of(delivery: Delivery, profile: Profile, catalog: Catalog) -> Outbound:
    """Return a call, ready to leave; a profile is pushed as it is now."""
    return Outbound(
        delivery=delivery.id,
        lane=delivery.lane,
        channel=delivery.channel,
        to=address_of(profile, Channel.SMS) or "" if delivery.channel is Channel.HANDOFF else "",
        content=_content(delivery, profile, catalog),
    )


def _content(delivery: Delivery, profile: Profile, catalog: Catalog) -> CallContent:
    said = delivery.variables
    identifiers = {identifier.kind: identifier.value for identifier in profile.identifiers}
    match delivery.channel:
        case Channel.WEBHOOK:
            return WebhookContent(
                url=str(said["url"] or ""),
                method=said["method"],
                headers=said["headers"],
                body=said["body"],
                timeout=None if said["timeout"] is None else timedelta(seconds=float(said["timeout"])),
                secrets=frozenset(said["secrets"]),
                allow=frozenset(catalog.settings.webhooks.allow),
            )
        case Channel.SYNC:
            return SyncContent(
                destination=said["to"],
                traits={**catalog.settings.covered.traits(profile.traits), **_membership(delivery, catalog)},
                identifiers={"id": profile.id, **identifiers},
                values=said["with"],
                journey=delivery.journey,
                step=delivery.step,
                run=delivery.run,
            )
        case Channel.HANDOFF:
            return HandoffContent(
                target=said["to"],
                workflow=said["workflow"],
                attributes=said["attributes"],
                identifiers=identifiers,
                withdraws=said.get("withdraws"),
                withdrawn_call=said.get("call"),
            )
        case Channel.EMAIL | Channel.SMS | Channel.MMS | Channel.WHATSAPP | Channel.VOICE | Channel.CHAT:
            raise AssertionError(f"{delivery.channel} is no call")
        case _:
            assert_never(delivery.channel)


def _membership(delivery: Delivery, catalog: Catalog) -> dict[str, bool]:
    """Return the audience that brought a person into the journey as Segment tells it: a boolean trait of its name."""
    name, version = delivery.journey, delivery.version
    if name is None or version is None or not catalog.has_version(name, version):
        return {}
    audience = catalog.version(name, version).trigger.audience
    if audience is None:
        return {}
    return {audience.entered: True} if audience.entered else {audience.left or "": False}
