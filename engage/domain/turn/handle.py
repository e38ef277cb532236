"""Handle: one fact about one known person, each kind in its own function. Pure: state in, state and changes out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engage.domain.audience.membership import apply_traits, follow
from engage.domain.consent.consent import EVERY_TOPIC, ConsentState, family, ledger_key, state_after
from engage.domain.consent.writing import write_consent
from engage.domain.decision import Decided
from engage.domain.delivery.delivery import Channel, Delivery, Priority
from engage.domain.fact import (
    Call,
    ConsentGiven,
    Identifier,
    Kind,
    Members,
    Send,
    Start,
    SubscriptionWish,
    Wake,
)
from engage.domain.ids import EventId
from engage.domain.journey.resume import archive, resume
from engage.domain.profile.person import Person
from engage.domain.profile.profile import RESERVED_TYPE, Event
from engage.domain.profile.touched import Touched
from engage.domain.turn.react import react, set_member, start
from engage.domain.turn.turn import Turn

ADDRESSES = ("email", "phone")
RESERVED = frozenset(
    {
        *(
            f"{kind} {word}"
            for kind in ("SMS", "WhatsApp", "Chat")
            for word in ("Sent", "Delivered", "Failed", "Received")
        ),
        *("WhatsApp Read", "Chat Read"),
        *(
            "Email Sent",
            "Email Delivered",
            "Email Deferred",
            "Email Bounced",
            "Email Dropped",
            "Email Opened",
        ),
        *(
            "Email Link Clicked",
            "Email Marked as Spam",
            "Email Unsubscribed",
            "Email Received",
            "Link Clicked",
        ),
        *("Call Started", "Call Answered", "Call Completed", "Call Failed", "Voice Digits", "Voicemail Left"),
        *("Audience Entered", "Audience Exited", "Journey Entered", "Journey Exited", "Goal Reached"),
        *("Subscription Updated", "Address Suppressed", "Handoff Completed"),
    }
)
"""Events that only the engine writes; vocabulary.md."""


def on_call(
    turn: Turn, person: Person, call: Call, identifiers: Sequence[Identifier], new_kinds: set[str]
) -> None:
    """Take in one Segment call: consent, traits, the event, then everything that follows.

    `identifiers` are those of the call that are the person's, of `new_kinds` they have more than before.
    """
    touched = Touched(traits=set(new_kinds))
    traits = dict(call.traits) if call.kind is Kind.IDENTIFY else {}
    if call.browser:
        _guard(turn, person, call, traits)
    for identifier in identifiers:
        if identifier.kind in ADDRESSES and person.profile.learns(identifier, call.timestamp):
            traits.setdefault(identifier.kind, identifier.value)
    if traits:
        touched.values = apply_traits(turn, person, traits, call.timestamp, moved=touched.traits)
        touched.traits |= set(touched.values)
        touched.at = call.timestamp
    if not call.browser:
        for wish in call.subscriptions:
            _wish(turn, person, wish, f"call:{call.source}", call.timestamp, decided=False)
            touched.consent = True
    event = None
    named, properties = _event_of(call)
    if named is not None:
        event = _store_event(turn, person, call, named, properties)
    if call.imported:
        _import(turn, person, event, touched)
        return
    react(turn, person, event=event, touched=touched)


def _guard(turn: Turn, person: Person, call: Call, traits: dict[str, Any]) -> None:
    """Take out of a call by a public key what such a key may not say."""
    for name in ADDRESSES:
        known = person.profile.address(name)
        if known is not None and name in traits:
            value = traits.pop(name)
            if not isinstance(value, str) or value.strip().lower() != known:
                turn.decide(person, Decided.IDENTITY, "refused", reason="browser_key", values={"trait": name})
    if call.subscriptions:
        turn.decide(person, Decided.CONSENT, "refused", reason="browser_key")


def event_name(call: Call) -> str | None:
    """Return the name of the event that a call is; none: it is no event."""
    match call.kind:
        case Kind.TRACK:
            return call.event
        case Kind.PAGE:
            return "Page Viewed"
        case Kind.SCREEN:
            return "Screen Viewed"
        case Kind.GROUP:
            return "Group Identified"
        case _:
            return None


def _event_of(call: Call) -> tuple[str | None, dict[str, Any]]:
    match call.kind:
        case Kind.PAGE | Kind.SCREEN:
            properties = {**({"name": call.event} if call.event else {}), **call.properties}
        case Kind.GROUP:
            properties = {"group_id": call.group_id, "traits": dict(call.traits)}
        case Kind.TRACK:
            properties = dict(call.properties)
        case _:
            properties = {}
    return event_name(call), properties


def _store_event(
    turn: Turn, person: Person, call: Call, name: str, properties: dict[str, Any]
) -> Event | None:
    """Have the event written; one that only the engine may write is stored apart and has no consequences."""
    reserved = name in RESERVED
    event = Event(
        id=EventId(call.message_id),
        profile=person.id,
        name=name,
        type=RESERVED_TYPE if reserved else str(call.kind),
        timestamp=call.timestamp,
        received_at=turn.now,
        arrival=turn.arrival,
        properties=properties,
        epoch=turn.catalog.epoch,
    )
    turn.store_event(event)
    if reserved:
        turn.decide(person, Decided.EVENT, "refused", reason="reserved_event", values={"event": name})
        return None
    return event


def _import(turn: Turn, person: Person, event: Event | None, touched: Touched) -> None:
    """History: it is counted and judged by rules, and starts, ends or moves nothing."""
    if event is not None:
        turn.count(person, event)
        touched.events.add(event.name)
    follow(turn, person, touched)
    turn.follows.clear()


def _wish(
    turn: Turn, person: Person, wish: SubscriptionWish, source: str, at: datetime, *, decided: bool
) -> None:
    """Write a wish into the ledger; unless it was `decided` where it came in, a yes may have to be confirmed."""
    address, state = wish.address or person.address(wish.channel), ConsentState(wish.state)
    if not decided and opens_a_number(wish) and address in turn.stopped:
        turn.decide(person, Decided.CONSENT, "refused", reason="stopped", values={"channel": wish.channel})
        return
    topics = [wish.topic or EVERY_TOPIC]
    if not decided and wish.topic is None and state is ConsentState.SUBSCRIBED and wish.channel in _UNGROUPED:
        # Segment has groups of mail alone: on the others a yes is one to all that is sent there.
        topics += turn.catalog.settings.opted_into(wish.channel)
    for topic in topics:
        known = person.consents.by_address.get((family(wish.channel), ledger_key(address or ""), topic))
        policy = turn.catalog.settings.policy(wish.channel, topic)
        write_consent(
            turn,
            person,
            channel=wish.channel,
            topic=topic,
            state=state if decided else state_after(state, policy, known),
            address=address,
            source=source,
            at=at,
        )


_UNGROUPED = (Channel.SMS, Channel.WHATSAPP)


def opens_a_number(wish: SubscriptionWish) -> bool:
    """Return whether a wish is a yes to all texts: what a STOP closed only the person's own START opens, at the carrier too."""
    return (
        wish.topic is None and wish.state == ConsentState.SUBSCRIBED and family(wish.channel) == Channel.SMS
    )


def on_consent(turn: Turn, person: Person, given: ConsentGiven) -> None:
    """A consent change that the ledger has for the address already: follow it up for the person."""
    if given.imported:
        wish = given.wish
        turn.decide(
            person,
            Decided.CONSENT,
            wish.state,
            reason=given.source,
            values={
                "channel": wish.channel,
                "topic": wish.topic or EVERY_TOPIC,
                "said_at": given.at.isoformat(),
            },
        )
        _import(turn, person, None, Touched(consent=True))
        return
    _wish(turn, person, given.wish, given.source, given.at, decided=True)
    react(turn, person, touched=Touched(consent=True))


def on_members(turn: Turn, person: Person, change: Members) -> None:
    """A manual audience changed."""
    set_member(turn, person, change.audience, change.member)
    react(turn, person, touched=Touched())


def on_start(turn: Turn, person: Person, wanted: Start) -> None:
    """Somebody asked that this person enters a journey."""
    start(turn, person, wanted)
    react(turn, person, touched=Touched())


def on_send(turn: Turn, person: Person, wanted: Send) -> None:
    """Somebody asked for one delivery outside every journey."""
    settings = turn.catalog.settings
    delivery = Delivery(
        id=wanted.delivery,
        profile=person.id,
        lane=person.profile.lane,
        channel=Channel(wanted.channel),
        topic=wanted.topic,
        template=wanted.template,
        text=wanted.text,
        variables=wanted.variables,
        to=wanted.to,
        sender=wanted.sender,
        priority=Priority.URGENT if settings.is_urgent(wanted.topic) else Priority.LIVE,
        context={"entry": wanted.variables, "run": {}},
        asked_at=turn.now,
        due_at=turn.now,
        expires_at=wanted.expires_at,
    )
    turn.changes.deliveries[delivery.id] = delivery
    react(turn, person, touched=Touched())


def on_wake(turn: Turn, person: Person, wake: Wake) -> None:
    """The project changed under this person."""
    match wake.cause:
        case "backfill":
            react(turn, person, touched=Touched(everything=True))
        case "resume":
            resume(turn, person, wake.name)
        case "archive":
            archive(turn, person, wake.name)
        case _:
            turn.decide(person, Decided.EVENT, "ignored", reason=f"wake_{wake.cause}")
