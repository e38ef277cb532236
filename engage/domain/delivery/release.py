"""Release: may this delivery leave now? One pure judgement, taken when it is reserved, in the order of the vocabulary."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engage.domain.catalog import Catalog
from engage.domain.consent.consent import Consents
from engage.domain.delivery.delivery import CALLS, Delivery, HoldReason, SkipReason
from engage.domain.law import Contact, Never, Wait
from engage.domain.law.judge import Sent
from engage.domain.profile.person import address_of
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import QuietHoursForm
from engage.domain.timing import QuietHours, next_allowed, next_quiet, zone_of

PAUSE_CHECK = timedelta(days=3650)
"""A delivery of a paused journey is due again when resuming says so."""
LAST_STEP_CHECK = timedelta(minutes=1)
"""One that outlived its run is not found by resuming: it is looked at again."""


@dataclass(frozen=True, slots=True)
class Release:
    """It may leave, to this address."""

    address: str
    until: datetime | None = None
    """The end of the hours in which it may reach somebody; none: they do not end."""


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
    contact, sent = _contact(delivery, profile, address, catalog), list(sent)
    return (
        _by_unknown_zone(delivery, profile, catalog)
        or _by_law(delivery, contact, catalog, sent, now)
        or _by_quiet_hours(delivery, profile, catalog, now)
        or _by_cap(delivery, catalog, sent, now)
        or Release(address, _reachable_until(delivery, contact, profile, catalog, now))
    )


def _outlives_its_run(delivery: Delivery, catalog: Catalog) -> bool:
    journey, version, step = delivery.journey, delivery.version, delivery.step
    if journey is None or version is None or step is None:
        return False
    return catalog.outlives_its_run(journey, version, step)


def _contact(delivery: Delivery, profile: Profile, address: str, catalog: Catalog) -> Contact | None:
    """Return the delivery as the law sees it; None where no rule speaks of its channel."""
    if not catalog.law.speaks_of(delivery.channel):
        return None
    phone = address if address.startswith("+") else profile.traits.get("phone")
    located = catalog.law.locate(
        profile.traits, phone if isinstance(phone, str) else None, catalog.settings.zone
    )
    is_marketing = not catalog.settings.is_transactional(delivery.topic)
    return Contact(delivery.channel, delivery.topic, is_marketing, located)


def _by_law(
    delivery: Delivery, contact: Contact | None, catalog: Catalog, sent: Iterable[Sent], now: datetime
) -> Verdict | None:
    if contact is None:
        return None
    match catalog.law.refusal(contact, sent, catalog.settings.is_transactional, now):
        case Never(rule=rule):
            return Skip(SkipReason.LAW, rule)
        case Wait(until=until, rule=rule):
            return Hold(_before_it_expires(delivery, until), HoldReason.LAW, rule)
    return None


def _quiet_of(delivery: Delivery, catalog: Catalog) -> QuietHoursForm | None:
    """Return the quiet hours that bind a delivery: its channel's, unless its topic is urgent."""
    quiet = catalog.settings.quiet_hours
    if quiet is None or delivery.channel not in quiet.channels or catalog.settings.is_urgent(delivery.topic):
        return None
    return quiet


def _by_unknown_zone(delivery: Delivery, profile: Profile, catalog: Catalog) -> Verdict | None:
    quiet = _quiet_of(delivery, catalog)
    if quiet is None or quiet.unknown_zone != "skip":
        return None
    own = profile.traits.get("timezone")
    is_unknown = own in (None, "") or zone_of(own, catalog.settings.zone)[1]
    return Skip(SkipReason.UNKNOWN_ZONE) if is_unknown else None


def _by_quiet_hours(delivery: Delivery, profile: Profile, catalog: Catalog, now: datetime) -> Verdict | None:
    quiet = _quiet_of(delivery, catalog)
    if quiet is None:
        return None
    zone, _ = zone_of(profile.traits.get("timezone"), catalog.settings.zone)
    opening = next_allowed(now, QuietHours(start=quiet.from_, end=quiet.to), zone)
    if opening <= now:
        return None
    rule = f"quiet_hours {quiet.from_:%H:%M}-{quiet.to:%H:%M} {zone.key}"
    if quiet.on_quiet == "skip":
        return Skip(SkipReason.QUIET_HOURS, rule)
    return Hold(_before_it_expires(delivery, opening), HoldReason.QUIET_HOURS, rule)


def _before_it_expires(delivery: Delivery, until: datetime) -> datetime:
    return until if delivery.expires_at is None else min(until, delivery.expires_at)


def _reachable_until(
    delivery: Delivery, contact: Contact | None, profile: Profile, catalog: Catalog, now: datetime
) -> datetime | None:
    """Return when silence begins again, by law or by the house: the provider must not deliver later."""
    ends = [] if contact is None else [catalog.law.lawful_until(contact, now)]
    quiet = _quiet_of(delivery, catalog)
    if quiet is not None:
        zone, _ = zone_of(profile.traits.get("timezone"), catalog.settings.zone)
        ends.append(_quiet_begins(now, QuietHours(start=quiet.from_, end=quiet.to), zone))
    return min((end for end in ends if end is not None), default=None)


def _quiet_begins(now: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime | None:
    """`next_quiet`, looked up: whatever begins after the full hour before `now` and not before `now` is the same."""
    known = _quiet_after(now.replace(minute=0, second=0, microsecond=0), quiet, zone)
    return known if known is None or known >= now else next_quiet(now, quiet, zone)


_quiet_after = lru_cache(maxsize=1024)(next_quiet)


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
        return Hold(_before_it_expires(delivery, free), HoldReason.RATE, rule)
    return None
