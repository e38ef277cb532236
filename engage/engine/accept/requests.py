"""Facts from requests of our own API: a start, a send, a signal, members of an audience, an erasure."""

from collections.abc import Iterable
from datetime import datetime
from uuid import uuid4

from engage.domain.delivery.delivery import Channel
from engage.domain.errors import EngageError
from engage.domain.fact import Fact, Forget, Identifier, Members, NewFact, Send, Signal, Start, encode
from engage.domain.ids import DeliveryId, RunId, lane_of, uuid7
from engage.engine.accept.intake import Piece
from engage.engine.canonical.people import normal_identifier
from engage.engine.canonical.rules import BUILT_IN, Rules

API = "api"
"""The source of facts that came by our own API; their identity is theirs alone."""


class UnknownPersonError(EngageError):
    """A text is not `kind:value` with a kind of identifier we know and a value that can be one."""


def person_named(text: str, rules: Rules) -> Identifier:
    """Read `user_id:u` or `email:a@b.c` as the identifier it names, in its compared form.

    Raises:
        UnknownPersonError: it names nobody.
    """
    kind, _, value = text.partition(":")
    if kind not in BUILT_IN and kind not in rules.identifiers.values():
        known = sorted(BUILT_IN | set(rules.identifiers.values()))
        raise UnknownPersonError(f"write `kind:value`; the kinds are {', '.join(known)}")
    identifier = normal_identifier(kind, value, rules.region) if value.strip() and "\0" not in value else None
    if identifier is None:
        raise UnknownPersonError(f"the value after `{kind}:` cannot be one")
    return identifier


def new_run_id(now: datetime) -> RunId:
    """Return an id for a run that is asked for now."""
    return RunId(uuid7(now, "run", uuid4().hex))


def new_delivery_id(now: datetime) -> DeliveryId:
    """Return an id for a delivery that is asked for now."""
    return DeliveryId(uuid7(now, "delivery", uuid4().hex))


def own_channels(channels: Iterable[str]) -> frozenset[Channel]:
    """Return by which of a template's channels it may leave when none is named.

    What is written as an SMS may leave as MMS and chat too, but nobody means that who does not say so.
    """
    known = frozenset(Channel(channel) for channel in channels)
    return known - {Channel.MMS, Channel.CHAT} if Channel.SMS in known else known


def send_key(delivery: DeliveryId) -> str:
    """Return the message id of the wish for a delivery."""
    return f"send:{delivery}"


def started(start: Start, now: datetime) -> Piece:
    """Return the piece of a start."""
    return _piece(start, start.message_id, lane_of(start.person.value), now)


def sent(send: Send, now: datetime) -> Piece:
    """Return the piece of a send; its lane is the person's, or the address's where no person is named."""
    place = send.person.value if send.person is not None else send.to or send.delivery
    return _piece(send, send.message_id, lane_of(place), now)


def signalled(signal: Signal, now: datetime) -> Piece:
    """Return the piece of a signal; signals of one name keep their order."""
    return _piece(signal, signal.message_id, lane_of(signal.event), now, source=signal.source)


def moved(audience: str, people: Iterable[Identifier], now: datetime, *, member: bool) -> list[Piece]:
    """Return a piece per person who enters (or leaves) a manual audience."""
    return [
        _piece(
            Members(message_id=(unique := str(uuid4())), audience=audience, person=person, member=member),
            unique,
            lane_of(person.value),
            now,
        )
        for person in people
    ]


def forgotten(person: Identifier, now: datetime, by: str = "", *, lane: int | None = None) -> Piece:
    """Return the piece of an erasure; its lane is that of the name, unless the person's own is known."""
    unique = str(uuid4())
    fact = Forget(message_id=unique, person=person, by=by)
    return _piece(fact, unique, lane_of(person.value) if lane is None else lane, now)


def _piece(fact: Fact, message_id: str, lane: int, now: datetime, source: str = API) -> Piece:
    return Piece(
        fact=NewFact(lane=lane, source=source, message_id=message_id, received_at=now, payload=encode(fact))
    )
