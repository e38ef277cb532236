"""Story: what clients, people and operators do in one world; each thing is repeated until it is answered with a yes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
HOURS = 8
"""How long people do things and things go wrong; afterwards the world heals and comes to rest."""
END = START + timedelta(days=4)

SETTINGS = """
quiet_hours: "off"
topics:
  offers: {sms: opt_out, email: opt_out}
  orders: {transactional: true}
  codes: {transactional: true, urgent: true, duplicates: never_lost}
senders: {email: {address: shop@shop.example, rate: 20 per second}}
"""
CART = """
journey: cart
trigger: {event: Cart, key: event.cart}
entry: {while_inside: restart, reentry: always}
goal: {event: Bought, within: 2 days}
exit_when: [{event: Emptied}]
on_exit: [{emit: {event: Left}}]
steps:
  - wait: 20 minutes
    id: patience
  - sms: {text: "Cart {{ entry.cart }}", topic: offers}
    id: nudge
  - wait_for: {step: nudge, status: delivered, timeout: 1 hour}
    id: outcome
  - emit: {event: Nudged}
  - email: {text: Last call, topic: offers}
    id: last
"""
CART_AGAIN = (
    CART.replace("20 minutes", "15 minutes")
    + """
  - email: {text: The very last call, topic: orders}
migrate: {from: 1, steps: {patience: patience, outcome: last}}
"""
)
PROJECT: Mapping[tuple[str, str], str] = {
    ("settings", "settings"): SETTINGS,
    ("audience", "buyers"): "audience: buyers\nwhere: count('Bought', within='3 hours') >= 1\n",
    ("journey", "cart"): CART,
    ("journey", "thanks"): """
journey: thanks
trigger: {audience: {entered: buyers}}
entry: {reentry: always}
steps:
  - email: {text: Thank you, topic: orders}
    id: thanks
  - start: code
""",
    ("journey", "code"): """
journey: code
trigger: {api: true}
steps:
  - sms: {text: Your code, topic: codes}
    id: code
  - wait_for: {step: code, status: replied, timeout: 30 minutes}
  - voice: {text: Did you get your code, topic: orders}
    id: call
  - wait_for: {step: call, status: completed, timeout: 1 hour}
""",
    ("journey", "news"): f"""
journey: news
trigger: {{schedule: {{at: "{(START + timedelta(hours=3)).isoformat()}", pace: 2 per second}}}}
steps:
  - email: {{text: News, topic: offers}}
    id: news
  - sms: {{text: News, topic: offers}}
    id: text
""",
    ("journey", "stock"): """
journey: stock
trigger: {signal: Restocked, people: "true"}
entry: {reentry: always}
steps:
  - sms: {text: It is back, topic: offers}
    id: back
""",
}
CHANCES = {"start": 0.4, "send": 0.4, "reply": 0.4, "stop": 0.5, "no": 0.4, "forget": 0.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing somebody does at an instant. `what` says which arguments mean something."""

    at: datetime
    what: str
    """Which of `Doer`'s verbs it is."""
    person: str = ""
    number: int = 0
    body: Mapping[str, Any] | None = None


def phone(person: int) -> str:
    return f"+1415555{person:04}"


def mail(name: str) -> str:
    return f"{name}@x.example"


def story(random: Random, people: int) -> list[Deed]:
    """Return what is done in one world, in order of time; every kind of thing is absent in some worlds."""
    found: list[Deed] = []
    for person in range(people):
        found += _life(random, person)
    for makes in (_pausing, _publishing, _stopping, _signalling, _resolving):
        if random.random() < 0.4:
            found += makes(random)
    return sorted(found, key=lambda deed: (deed.at, deed.what, deed.person, deed.number))


def _instant(random: Random, hours: float = HOURS) -> datetime:
    return START + timedelta(seconds=random.randrange(60, int(hours * 3600)))


def _life(random: Random, person: int) -> Iterator[Deed]:
    name, anonymous = f"person-{person}", f"anon-{person}"
    secret = random.random() < 0.5
    yield Deed(
        at=START + timedelta(seconds=1), what="call", person=name, number=0, body=_identify(name, person)
    )
    for number in range(1, 5):
        who = {"anonymousId": anonymous} if secret and number <= 2 else {"userId": name}
        event = random.choice(("Cart", "Cart", "Cart", "Bought", "Emptied"))
        body = {"type": "track", **who, "event": event, "properties": {"cart": f"c{random.randrange(2)}"}}
        yield Deed(at=_instant(random), what="call", person=name, number=number, body=body)
    if random.random() < 0.3:
        # From long ago, told now: it counts, and starts nothing.
        body = {"type": "track", "userId": name, "event": "Bought"}
        yield Deed(at=_instant(random), what="import", person=name, number=7, body=body)
    if secret:
        at = _instant(random)
        if random.random() < 0.5:
            yield Deed(
                at=at,
                what="call",
                person=name,
                number=8,
                body={"type": "alias", "userId": name, "previousId": anonymous},
            )
        else:
            both = {**_identify(name, person), "anonymousId": anonymous}
            yield Deed(at=at, what="call", person=name, number=8, body=both)
    for what, chance in CHANCES.items():
        if random.random() < chance:
            at = _instant(random)
            yield Deed(at=at, what=what, person=name, number=person)
            if what == "stop" and random.random() < 0.5:
                yield Deed(
                    at=at + timedelta(minutes=random.randrange(1, 90)), what="yes", person=name, number=person
                )
            if what == "forget" and random.random() < 0.5:
                again = at + timedelta(minutes=random.randrange(1, 90))
                yield Deed(at=again, what="call", person=name, number=9, body=_identify(name, person))


def _identify(name: str, person: int) -> dict[str, Any]:
    traits = {"phone": phone(person), "email": mail(name)}
    return {"type": "identify", "userId": name, "traits": traits}


def _pausing(random: Random) -> Iterator[Deed]:
    at = _instant(random)
    yield Deed(at=at, what="pause")
    yield Deed(at=at + timedelta(minutes=random.randrange(1, 120)), what="resume")


def _publishing(random: Random) -> Iterator[Deed]:
    at = _instant(random)
    yield Deed(at=at, what="publish")
    if random.random() < 0.5:
        yield Deed(at=at + timedelta(minutes=random.randrange(1, 120)), what="rollback")


def _stopping(random: Random) -> Iterator[Deed]:
    at = _instant(random)
    yield Deed(at=at, what="hold")
    yield Deed(at=at + timedelta(minutes=random.randrange(1, 30)), what="release")


def _signalling(random: Random) -> Iterator[Deed]:
    yield Deed(at=_instant(random), what="signal")


def _resolving(random: Random) -> Iterator[Deed]:
    for _ in range(4):
        yield Deed(at=_instant(random), what="resolve")
