"""Release reads: what judging a chunk of deliveries needs to know, in a few bulk queries."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from engage.domain.catalog import Catalog
from engage.domain.consent.consent import Consents, family, ledger_key
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.profile.person import address_of
from engage.domain.profile.profile import Profile
from engage.engine.deliver.windows import open_windows
from engage.ports.storage import Transaction

Sent = list[tuple[Channel, str | None, datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the people of a chunk, read once."""

    consents: Mapping[ProfileId, Consents]
    sent: dict[ProfileId, Sent]
    """What was accepted for them within the longest cap or limit; what is released in this chunk is added."""
    first: Set[DeliveryId]
    """The SMS that are the first of their topic to their address."""
    new: Set[str]
    """Numbers that no text of ours ever went to, where such numbers are looked up."""
    open_to: Set[tuple[ProfileId, str]]
    """Who wrote to us on WhatsApp within a day, and from where."""

    def consents_of(self, delivery: Delivery) -> Consents:
        return self.consents.get(delivery.profile) or Consents()


def read_known(
    tx: Transaction,
    catalog: Catalog,
    ready: Sequence[Delivery],
    profiles: Mapping[ProfileId, Profile],
    now: datetime,
) -> Known:
    """Read all of it, in a few queries whatever the number of deliveries."""
    return Known(
        consents=tx.consents.view({d.profile for d in ready}, addresses_of(ready, profiles)),
        sent=sent_lately(tx, catalog, ready, now),
        first=never_addressed(tx, catalog, ready, profiles),
        new=never_texted(tx, catalog, ready, profiles),
        open_to=open_windows(tx, ready, now),
    )


def addresses_of(
    ready: Iterable[Delivery], profiles: Mapping[ProfileId, Profile]
) -> dict[ProfileId, list[tuple[str, str]]]:
    addresses: dict[ProfileId, list[tuple[str, str]]] = {}
    for delivery in ready:
        address = (
            delivery.to
            if delivery.to is not None
            else address_of(profiles[delivery.profile], delivery.channel)
        )
        if address:
            key = (family(delivery.channel), ledger_key(address))
            addresses.setdefault(delivery.profile, []).append(key)
    return addresses


def sent_lately(
    tx: Transaction, catalog: Catalog, ready: Sequence[Delivery], now: datetime
) -> dict[ProfileId, Sent]:
    """Return what was accepted within the longest cap or limit of the law, per person; nothing where none can apply."""
    caps = [cap.per for cap in catalog.settings.caps if any(cap.covers(d.channel, d.topic) for d in ready)]
    limits = [catalog.law.longest_limit(channel) for channel in {d.channel for d in ready}]
    longest = max([*caps, *limits])
    if not longest:
        return {}
    return dict(tx.deliveries.accepted_since({d.profile for d in ready}, now - longest))


def name_withdrawn_calls(tx: Transaction, ready: Iterable[Delivery]) -> None:
    """Write the provider's id of a call into what takes it back: the core does not know it."""
    asked = {
        DeliveryId(d.variables["withdraws"]): d
        for d in ready
        if d.channel is Channel.HANDOFF and d.variables.get("channel") == Channel.VOICE
    }
    for call in tx.deliveries.get(asked).values() if asked else ():
        withdrawal = asked[call.id]
        withdrawal.variables = {**withdrawal.variables, "call": call.provider_id or ""}


def never_texted(
    tx: Transaction, catalog: Catalog, ready: Sequence[Delivery], profiles: Mapping[ProfileId, Profile]
) -> set[str]:
    """Return the numbers that no text of ours ever went to, where the project wants such numbers looked up."""
    if not catalog.settings.sms.lookup:
        return set()
    texts = [d for d in ready if d.channel in (Channel.SMS, Channel.MMS)]
    found = {d.to or address_of(profiles[d.profile], d.channel) for d in texts}
    numbers = {number for number in found if number}
    return numbers - tx.deliveries.texted(numbers)


def never_addressed(
    tx: Transaction, catalog: Catalog, ready: Sequence[Delivery], profiles: Mapping[ProfileId, Profile]
) -> set[DeliveryId]:
    """Return the SMS that are the first of a non-transactional topic to their address."""
    settings = catalog.settings
    if settings.sms.opt_out_text is None:
        return set()
    pairs: dict[tuple[str, str], DeliveryId] = {}
    for delivery in ready:
        if delivery.channel not in (Channel.SMS, Channel.MMS) or delivery.automatic:
            continue
        address = delivery.to or address_of(profiles[delivery.profile], delivery.channel)
        if address and not settings.is_transactional(delivery.topic):
            pairs.setdefault((delivery.topic or "", address), delivery.id)
    known = tx.deliveries.addressed_before(pairs) if pairs else set()
    return {delivery for pair, delivery in pairs.items() if pair not in known}
