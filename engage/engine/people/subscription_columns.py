"""Subscription columns: `email_subscription_status` and the like, as Segment's CSV of people has them (segment.md §5.3)."""

from collections.abc import Iterable, Mapping
from typing import Any

from engage.domain.consent.consent import EVERY_TOPIC, Consents, ConsentState, family
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Call, SubscriptionWish
from engage.engine.accept.consent import address_kind
from engage.engine.canonical.rules import Rules
from engage.engine.people.bring_in import Misfit

SUFFIX = "_subscription_status"
_CHANNELS = {"email": Channel.EMAIL, "sms": Channel.SMS, "whatsapp": Channel.WHATSAPP}
_STATUSES = {"subscribed", "unsubscribed", "did_not_subscribe"}
_WANTED = "write subscribed, unsubscribed or did-not-subscribe"


def is_one(name: str, value: Any, rules: Rules) -> bool:
    """Return whether a column is about consent: of a channel, of a topic, or of no topic though its value is a status."""
    if not name.endswith(SUFFIX):
        return False
    group = name.removesuffix(SUFFIX).casefold()
    return group in _CHANNELS or group in rules.topics or _status(value) in _STATUSES


def subscriptions_of(
    values: Mapping[str, Any], addresses: Mapping[str, str], rules: Rules
) -> list[dict[str, Any]]:
    """Return what the columns say as `context.messaging_subscriptions`; an empty cell says nothing.

    `addresses` are the row's own, by kind. A group is a topic of mail, by its name or title.

    Raises:
        Misfit: a value is no status, or a column names no topic.
    """
    by_channel: dict[Channel, dict[str, Any]] = {}
    for name, value in values.items():
        if value in (None, "") or not is_one(name, value, rules):
            continue
        status = _status(value)
        if status not in _STATUSES:
            raise Misfit(f"{name}: {_WANTED}")
        group = name.removesuffix(SUFFIX).casefold()
        channel = _CHANNELS.get(group, Channel.EMAIL)
        entry = by_channel.setdefault(
            channel, {"type": channel.upper(), "key": addresses.get(address_kind(channel)), "groups": []}
        )
        if group in _CHANNELS:
            entry["status"] = status.upper()
        elif group in rules.topics:
            entry["groups"].append({"name": rules.topics[group], "status": status.upper()})
        else:
            raise Misfit(f"{name}: no topic of this name; `{name}:text` in the header makes it a trait")
    return list(by_channel.values())


def refusal(call: Call, view: Consents) -> str | None:
    """Return why a row's yes cannot be taken: the address said no to the whole channel, which only its owner takes back."""
    for wish in call.subscriptions:
        if wish.state == ConsentState.SUBSCRIBED and _is_closed(wish, view):
            what = "unable_to_subscribe" if wish.topic is None else "global_state_not_subscribed"
            told = f"this address said no to {wish.channel} as a whole; only its owner takes that back"
            return f"{what}: {told}; empty the cell to bring in the rest"
    return None


def asked_about(calls: Iterable[Call]) -> list[tuple[str, str]]:
    """Return every (channel, address) that these calls say yes to."""
    found = {
        (family(wish.channel), wish.address)
        for call in calls
        for wish in call.subscriptions
        if wish.address is not None and wish.state == ConsentState.SUBSCRIBED
    }
    return sorted(found)


def _is_closed(wish: SubscriptionWish, view: Consents) -> bool:
    place = (family(wish.channel), wish.address or "", EVERY_TOPIC)
    return view.by_address.get(place) is ConsentState.UNSUBSCRIBED


def _status(value: Any) -> str:
    return value.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(value, str) else ""
