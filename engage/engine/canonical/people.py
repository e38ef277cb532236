"""Who a call is about: identifiers in their compared form, and the consent wishes it carries."""

import re
from collections.abc import Iterator
from decimal import Decimal

from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Identifier, Json, SubscriptionWish
from engage.engine.canonical.address import normal_address, normal_email, normal_phone
from engage.engine.canonical.rules import Rules

MAX_IDENTIFIER = 500
"""Characters. Longer ones name nobody; an index entry of the database holds no more than 2,700 bytes."""
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,59}")
_CHANNELS = {"EMAIL": Channel.EMAIL, "SMS": Channel.SMS, "WHATSAPP": Channel.WHATSAPP}
_STATES = {"SUBSCRIBED": ConsentState.SUBSCRIBED, "UNSUBSCRIBED": ConsentState.UNSUBSCRIBED}


def plain(value: object) -> str | None:
    """Return an id as text: numbers in their shortest form; None for what is no id (null, blank, true, objects)."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        whole = value.to_integral_value()
        return str(int(whole)) if whole == value else str(value.normalize())
    return None


def normal_identifier(kind: str, value: str, region: str) -> Identifier | None:
    """Return the identifier in the form it is compared; None if the value cannot be one of that kind."""
    if kind == "email":
        normal = normal_email(value)
    elif kind == "phone":
        normal = normal_phone(value, region)
    else:
        normal = value if len(value) <= MAX_IDENTIFIER else None
    return None if normal is None else Identifier(kind, normal)


EXTERNAL = "external_id"
"""What an entry of `context.externalIds` counts as that is none of a kind."""


class Named:
    """Everything in a call that names its person, strongest first, each once; and what only tried to."""

    __slots__ = ("found", "unusable")

    def __init__(self) -> None:
        """Nobody is named yet."""
        self.found: dict[Identifier, None] = {}
        self.unusable: dict[str, None] = {}
        """Kinds of which some value cannot be one."""

    def add(self, kind: str, text: str | None, region: str) -> None:
        """Take one more value, if there is one."""
        if text is None:
            return
        identifier = normal_identifier(kind, text, region)
        if identifier is None:
            self.unusable[kind] = None
        else:
            self.found[identifier] = None


def identifiers(
    user_id: str | None, anonymous_id: str | None, item: Json, traits: Json, context: Json, rules: Rules
) -> Named:
    """Return who a call is about. `traits` are identify's own."""
    named = Named()
    if user_id is not None:
        named.found[Identifier("user_id", user_id)] = None
    if anonymous_id is not None:
        named.found[Identifier("anonymous_id", anonymous_id)] = None
    about = context.get("traits")
    about = about if isinstance(about, dict) else {}
    for kind in ("email", "phone"):
        named.add(kind, plain(traits[kind] if kind in traits else about.get(kind)), rules.region)
    if rules.identifiers:
        _own(named, item, traits, about, rules)
    if "externalIds" in context:
        _external(named, context["externalIds"], rules.region)
    return named


def _own(named: Named, item: Json, traits: Json, about: Json, rules: Rules) -> None:
    properties = item.get("properties")
    places = (traits, about, properties if isinstance(properties, dict) else {})
    for key, kind in rules.identifiers.items():
        for place in places:
            named.add(kind, plain(place.get(key)), rules.region)


def _external(named: Named, entries: object, region: str) -> None:
    """Read `context.externalIds` as Segment does: all four keys, the collection `users`. Accounts are nobody's ids."""
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("collection") == "accounts":
            continue
        kind, value = (entry.get("type"), plain(entry.get("id"))) if isinstance(entry, dict) else (None, None)
        whole = (
            isinstance(entry, dict) and entry.get("collection") == "users" and entry.get("encoding") == "none"
        )
        if whole and isinstance(kind, str) and _KIND.fullmatch(kind) and value is not None:
            named.add(kind, value, region)
        else:
            named.unusable[EXTERNAL] = None


SUBSCRIPTION = "messaging_subscription"
"""What an entry of `context.messaging_subscriptions` counts as that cannot be read."""


def wishes(context: Json, rules: Rules, named: Named) -> tuple[SubscriptionWish, ...]:
    """Read `context.messaging_subscriptions`. `DID_NOT_SUBSCRIBE` says nothing; an entry that cannot be read is noted in `named`."""
    entries = context.get("messaging_subscriptions")
    found: list[SubscriptionWish] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if not all(list(_said(entry, rules, found))):
            named.unusable[SUBSCRIPTION] = None
    return tuple(found)


def _said(entry: object, rules: Rules, found: list[SubscriptionWish]) -> Iterator[bool]:
    """Add what an entry says to `found`, and yield of each part whether it could be read: one bad part loses no other."""
    if not isinstance(entry, dict):
        yield False
        return
    channel = _CHANNELS.get(str(entry.get("type")).upper())
    if channel is None:
        # A push token is no mistake: there is no such channel here.
        yield isinstance(entry.get("type"), str)
        return
    key = plain(entry.get("key"))
    address = normal_address(channel, key, rules.region) if key is not None else None
    if key is not None and address is None:
        yield False
        return
    groups = entry.get("groups")
    parts: list[tuple[object, str | None]] = []
    if entry.get("status") is not None:
        parts.append((entry["status"], None))
    for group in groups if isinstance(groups, list) else ():
        name = group.get("name") if isinstance(group, dict) else None
        yield isinstance(name, str) and bool(name)
        if isinstance(name, str) and name:
            parts.append((group.get("status"), rules.topics.get(name.casefold(), name)))
    for status, topic in parts:
        state = _STATES.get(str(status).upper())
        if state is not None:
            found.append(SubscriptionWish(channel=channel, state=state, topic=topic, address=address))
        yield state is not None or str(status).upper() == "DID_NOT_SUBSCRIBE"
