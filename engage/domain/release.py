"""Release: may this delivery leave now? One pure judgement, taken when it is reserved, in the order of the vocabulary."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engage.domain.catalog import Catalog
from engage.domain.consent import Consents
from engage.domain.delivery import CALLS, Channel, Delivery, HoldReason, SkipReason
from engage.domain.person import address_of
from engage.domain.profile import Profile
from engage.domain.timing import QuietHours, next_allowed, zone_of

PAUSE_CHECK = timedelta(days=3650)
"""A delivery of a paused journey is due again when resuming says so."""
LAST_STEP_CHECK = timedelta(minutes=1)
"""One that outlived its run is not found by resuming: it is looked at again."""


@dataclass(frozen=True, slots=True)
class Release:
    """It may leave, to this address."""

    address: str


@dataclass(frozen=True, slots=True)
class Hold:
    """It must wait until then."""

    until: datetime
    reason: HoldReason
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """It will never leave."""

    reason: SkipReason
    rule: str | None = None


Verdict = Release | Hold | Skip
Sent = tuple[Channel, str | None, datetime]
"""Something accepted: channel, topic, when."""


def judge(
    delivery: Delivery,
    profile: Profile,
    consents: Consents,
    catalog: Catalog,
    sent: Iterable[Sent],
    now: datetime,
) -> Verdict:
    """Return whether a delivery may leave at `now`, must wait, or is refused; the first reason in order counts."""
    settings = catalog.settings
    transactional = settings.is_transactional(delivery.topic)
    if delivery.journey is not None and catalog.is_paused(delivery.journey):
        again = LAST_STEP_CHECK if _outlives_its_run(delivery, catalog) else PAUSE_CHECK
        return Hold(now + again, HoldReason.PAUSED)
    if catalog.stops(delivery.channel):
        return Skip(SkipReason.SENDING_STOPPED)
    if delivery.channel in CALLS:
        over = delivery.expires_at is not None and now >= delivery.expires_at
        return Skip(SkipReason.EXPIRED) if over else Release("")
    if delivery.held_out and not transactional:
        return Skip(SkipReason.HOLDOUT)
    address = (delivery.to if delivery.to is not None else address_of(profile, delivery.channel)) or None
    if address is None:
        return Skip(SkipReason.NO_ADDRESS)
    if not delivery.automatic:
        refusal = consents.refusal(
            delivery.channel, address, delivery.topic, settings.policy(delivery.channel, delivery.topic)
        )
        if refusal is not None:
            return Skip(refusal)
    if delivery.expires_at is not None and now >= delivery.expires_at:
        return Skip(SkipReason.EXPIRED)
    if delivery.automatic:
        return Release(address)
    return (
        _by_the_clock(delivery, profile, catalog, now)
        or _by_cap(delivery, catalog, sent, now)
        or Release(address)
    )


def _outlives_its_run(delivery: Delivery, catalog: Catalog) -> bool:
    journey, version, step = delivery.journey, delivery.version, delivery.step
    if journey is None or version is None or step is None:
        return False
    return catalog.outlives_its_run(journey, version, step)


def _by_the_clock(delivery: Delivery, profile: Profile, catalog: Catalog, now: datetime) -> Verdict | None:
    quiet, settings = catalog.settings.quiet_hours, catalog.settings
    if quiet is None or delivery.channel not in quiet.channels or settings.is_urgent(delivery.topic):
        return None
    own = profile.traits.get("timezone")
    zone, invalid = zone_of(own, settings.zone)
    if quiet.unknown_zone == "skip" and (own is None or invalid):
        return Skip(SkipReason.UNKNOWN_ZONE)
    hours = QuietHours(start=quiet.from_, end=quiet.to)
    opening = next_allowed(now, hours, zone)
    if opening <= now:
        return None
    rule = f"quiet_hours {quiet.from_:%H:%M}-{quiet.to:%H:%M} {zone.key}"
    if quiet.on_quiet == "skip":
        return Skip(SkipReason.QUIET_HOURS, rule)
    if delivery.expires_at is not None and opening >= delivery.expires_at:
        return Hold(delivery.expires_at, HoldReason.QUIET_HOURS, rule)
    return Hold(opening, HoldReason.QUIET_HOURS, rule)


def _by_cap(delivery: Delivery, catalog: Catalog, sent: Iterable[Sent], now: datetime) -> Verdict | None:
    settings = catalog.settings
    if settings.is_transactional(delivery.topic):
        return None
    sent = [taken for taken in sent if taken[0] not in CALLS]
    for cap in settings.caps:
        if not cap.covers(delivery.channel, delivery.topic):
            continue
        counted = sorted(
            at
            for channel, topic, at in sent
            if cap.covers(channel, topic) and not settings.is_transactional(topic) and at > now - cap.per
        )
        if len(counted) < cap.limit:
            continue
        rule = f"cap {cap.limit} per {cap.per}"
        if cap.on_cap == "skip" or cap.limit == 0:
            return Skip(SkipReason.CAPPED, rule)
        free = counted[len(counted) - cap.limit] + cap.per
        return Hold(
            free if delivery.expires_at is None else min(free, delivery.expires_at), HoldReason.RATE, rule
        )
    return None
