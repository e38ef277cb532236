"""Writing: a line in the consent ledger, and what follows from it."""

from datetime import datetime

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState, family, ledger_key
from engage.domain.decision import Decided
from engage.domain.delivery.withdrawing import withdraw_unwanted_calls
from engage.domain.profile.person import Person
from engage.domain.turn.turn import Turn


def stop(turn: Turn, person: Person, channel: str, address: str, source: str, *, stopped: bool) -> None:
    """Switch every topic of a channel off, or on again, for this address and this person."""
    state = ConsentState.UNSUBSCRIBED if stopped else ConsentState.SUBSCRIBED
    write_consent(
        turn, person, channel=channel, topic=EVERY_TOPIC, state=state, address=address, source=source
    )


def write_consent(
    turn: Turn,
    person: Person,
    *,
    channel: str,
    topic: str,
    state: ConsentState,
    address: str | None,
    source: str,
    at: datetime | None = None,
) -> None:
    """Append one line to the ledger for a person and an address, and let the event happen."""
    entry = ConsentEntry(
        channel=family(channel),
        topic=topic,
        state=state,
        at=at or turn.now,
        source=source,
        address=None if address is None else ledger_key(address),
        profile=person.id,
    )
    person.consents.apply(entry)
    turn.changes.consents.append(entry)
    withdraw_unwanted_calls(turn, person, entry)
    turn.decide(
        person, Decided.CONSENT, str(state), reason=source, values={"channel": channel, "topic": topic}
    )
    turn.happen(
        person,
        "Subscription Updated",
        {"channel": channel, "topic": topic, "state": str(state), "source": source},
    )
