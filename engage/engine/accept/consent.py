"""Consent said directly: by API, on the preferences page, by one click, by confirming. In the ledger when this returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from msgspec import structs

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, Consents, ConsentState, Policy, family
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import ConsentGiven, Identifier, NewFact, SubscriptionWish, encode
from engage.domain.ids import ProfileId, lane_of
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import ProjectSettings, TopicWords
from engage.engine.accept.intake import ATTEMPTS, NOBODY
from engage.ports.clock import Hints
from engage.ports.storage import StorageAwayError, StorageBusyError, Store, Transaction

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One change somebody asks for; `topic` none is the whole channel."""

    person: Identifier
    channel: str
    topic: str | None
    state: ConsentState
    source: str
    confirmed: bool = False
    """The person did it at this very address, so that a double opt-in needs no second step."""
    proof: str | None = None
    """What shows it: the delivery whose link was used, a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One line of the preferences page: may we use this channel for this topic?"""

    channel: str
    topic: str
    title: str
    description: str
    translations: Mapping[str, TopicWords]
    address: str
    on: bool
    closed: bool
    """The whole channel was said no to."""

    def words(self, language: str) -> tuple[str, str]:
        """Return title and description in a language, as far as the project has them in it."""
        own = self.translations.get(language)
        if own is None:
            return self.title, self.description
        return own.title or self.title, own.description or self.description

    @property
    def kept_by_carrier(self) -> bool:
        """Whether only the person's own START opens a closed channel again: the STOP stands at the carrier too."""
        return self.channel == Channel.SMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the preferences page of an address offers."""

    choices: Sequence[Choice]
    locale: Any
    """The person's own trait, whatever it holds."""


class ConsentDesk:
    """Writes consent into the ledger and leaves facts for what follows from it. Thread-safe."""

    def __init__(self, store: Store, hints: Hints, settings: Callable[[], ProjectSettings]) -> None:
        """Write through `store`; `settings` returns the live project settings."""
        self._store = store
        self._hints = hints
        self._settings = settings

    def change(
        self, wishes: Sequence[Wish], now: datetime, *, profile: ProfileId | None = None
    ) -> list[ConsentState]:
        """Write all wishes in one transaction and return the state each one has now.

        `profile` is meant where an address of a wish belongs to nobody (any more).

        Raises:
            StorageAwayError: nothing was written.
        """
        states = self._try(lambda tx: self._change(tx, wishes, now, profile))
        self._hints.digest({lane_of(wish.person.value) for wish in wishes})
        return states

    def offer(self, person: Identifier, channel: str, profile: ProfileId | None = None) -> Offer:
        """Return what the preferences page of this address offers. Changes nothing.

        Raises:
            StorageAwayError: the database is away.
        """
        return self._try(lambda tx: self._offer(tx, person, channel, profile))

    def choose(
        self,
        person: Identifier,
        channel: str,
        profile: ProfileId | None,
        wanted: Callable[[Choice], bool],
        *,
        source: str,
        now: datetime,
    ) -> None:
        """Make every choice of the page that is `wanted` a yes and every other a no, in one transaction.

        Raises:
            StorageAwayError: nothing was written.
        """

        def write(tx: Transaction) -> None:
            offered = self._offer(tx, person, channel, profile).choices
            reopened = {c.channel for c in offered if c.closed and not c.kept_by_carrier and wanted(c)}
            wishes = [
                Wish(person=person, channel=name, topic=None, state=ConsentState.SUBSCRIBED, source=source)
                for name in sorted(reopened)
            ]
            for choice in offered:
                wish = _chosen(choice, person, source, wanted=wanted(choice), reopened=reopened)
                if wish is not None:
                    wishes.append(wish)
            self._change(tx, wishes, now, profile=profile)

        self._try(write)
        self._hints.digest([lane_of(person.value)])

    def _try(self, work: Callable[[Transaction], _T]) -> _T:
        for _ in range(ATTEMPTS):
            try:
                with self._store.transaction() as tx:
                    return work(tx)
            except StorageBusyError:
                continue
        raise StorageAwayError("the database is too busy")

    def _change(
        self, tx: Transaction, wishes: Sequence[Wish], now: datetime, profile: ProfileId | None = None
    ) -> list[ConsentState]:
        if not wishes:
            return []
        known = tx.people.find({wish.person for wish in wishes})
        owners = {wish.person: known.get(wish.person, profile) for wish in wishes}
        people = tx.people.lock({owner for owner in owners.values() if owner is not None})
        asked = [_asked(wish, people.get(owners[wish.person] or NOBODY)) for wish in wishes]
        views = _views(tx, asked)
        reopened: set[tuple[str, str]] = set()
        states, entries, facts = [], [], []
        for one in asked:
            state = self._state(one, views[one.owner], reopened)
            states.append(state)
            stranger = (
                profile is not None and one.profile is None and not views[one.owner].any_yes(one.newest)
            )
            if stranger and state is ConsentState.UNSUBSCRIBED:
                # The link was sent to somebody who has been erased since: their no holds, and brings nobody back.
                entries += [
                    structs.replace(entry, address=tx.consents.veiled(entry.address or ""))
                    for entry in _entries(one, state, now)
                ]
                continue
            said = _entries(one, state, now)
            entries += said
            if not _stands(said, views[one.owner]):
                facts.append(_given(one, state, now))
        tx.consents.append(entries)
        tx.inbox.add(facts)
        return states

    def _state(self, asked: "_Asked", view: Consents, reopened: set[tuple[str, str]]) -> ConsentState:
        """A yes to a topic that asks for a second step waits for it; a yes to a closed channel stays a no."""
        wish, kind, newest = asked.wish, family(asked.wish.channel), asked.newest or ""
        if wish.state is not ConsentState.SUBSCRIBED:
            return wish.state
        if wish.topic is None:
            reopened.add((kind, newest))
            return wish.state
        closed = view.by_address.get((kind, newest, EVERY_TOPIC)) is ConsentState.UNSUBSCRIBED
        if closed and (kind, newest) not in reopened:
            return ConsentState.UNSUBSCRIBED
        waits = self._settings().policy(wish.channel, wish.topic) is Policy.DOUBLE_OPT_IN
        if waits and not wish.confirmed:
            there = view.by_address.get((kind, newest, wish.topic))
            return there if there is ConsentState.SUBSCRIBED else ConsentState.PENDING
        return ConsentState.SUBSCRIBED

    def _offer(self, tx: Transaction, person: Identifier, channel: str, profile: ProfileId | None) -> Offer:
        owner = tx.people.find([person]).get(person, profile)
        found = tx.people.lock([owner]).get(owner) if owner is not None else None
        own = family(channel)
        addresses = {kind: known[-1] for kind in _CHANNELS if (known := _addresses(person, found, kind))}
        owner = found.id if found is not None else NOBODY
        view = tx.consents.view([owner], {owner: list(addresses.items())}).get(owner, Consents())
        choices = [
            self._choice(view, kind, address, topic)
            for topic in self._offered()
            for kind, address in addresses.items()
            if topic is not None or kind == own
            if topic is None or self._settings().policy(kind, topic) is not Policy.NEVER
        ]
        return Offer(choices=choices, locale=None if found is None else found.traits.get("locale"))

    def _offered(self) -> list[str | None]:
        """Topics people may say yes or no to; without any, there is only the channel as a whole."""
        topics = self._settings().topics
        return [name for name, topic in topics.items() if not topic.transactional] or [None]

    def _choice(self, view: Consents, channel: str, address: str, topic: str | None) -> Choice:
        settings = self._settings()
        about = settings.topics.get(topic) if topic is not None else None
        refusal = view.refusal(channel, address, topic, settings.policy(channel, topic))
        closed = (
            view.by_address.get((channel, address, EVERY_TOPIC)) is ConsentState.UNSUBSCRIBED
            or view.by_profile.get((channel, EVERY_TOPIC)) is ConsentState.UNSUBSCRIBED
        )
        return Choice(
            channel=channel,
            topic=topic or EVERY_TOPIC,
            title=(about.title if about is not None else "") or topic or "Everything",
            description=about.description if about is not None else "",
            translations=about.translations if about is not None else {},
            address=address,
            on=refusal is None,
            closed=closed,
        )


_CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.WHATSAPP, Channel.VOICE)


def address_kind(channel: str) -> str:
    """Return the kind of identifier that is an address of this channel."""
    return "email" if channel == Channel.EMAIL else "phone"


def _addresses(person: Identifier, profile: Profile | None, channel: str) -> Sequence[str]:
    """Return the addresses a change on `channel` is about, the newest last: the one named, else all of the profile's."""
    kind = address_kind(channel)
    if person.kind == kind:
        return (person.value,)
    return [] if profile is None else [i.value for i in profile.identifiers if i.kind == kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A wish and what storage knows about whom it concerns."""

    wish: Wish
    profile: Profile | None
    addresses: Sequence[str]

    @property
    def owner(self) -> ProfileId:
        return self.profile.id if self.profile is not None else NOBODY

    @property
    def newest(self) -> str | None:
        return self.addresses[-1] if self.addresses else None


def _asked(wish: Wish, profile: Profile | None) -> _Asked:
    return _Asked(wish=wish, profile=profile, addresses=_addresses(wish.person, profile, wish.channel))


def _views(tx: Transaction, asked: Sequence[_Asked]) -> dict[ProfileId, Consents]:
    pairs: dict[ProfileId, set[tuple[str, str]]] = {}
    for one in asked:
        pairs.setdefault(one.owner, set()).update((one.wish.channel, address) for address in one.addresses)
    found = tx.consents.view(list(pairs), {owner: sorted(some) for owner, some in pairs.items()})
    return {owner: found.get(owner, Consents()) for owner in pairs}


def _entries(asked: _Asked, state: ConsentState, now: datetime) -> list[ConsentEntry]:
    """A no holds for every address of the person, a yes for the newest alone."""
    owner = asked.profile.id if asked.profile is not None else None
    meant: Sequence[str | None] = (
        asked.addresses if state is ConsentState.UNSUBSCRIBED else asked.addresses[-1:]
    )
    if not meant and owner is not None:
        meant = [None]
    return [
        ConsentEntry(
            channel=family(asked.wish.channel),
            topic=asked.wish.topic or EVERY_TOPIC,
            state=state,
            at=now,
            source=asked.wish.source,
            address=address,
            profile=owner,
            proof=asked.wish.proof,
        )
        for address in meant
    ]


def _stands(said: Sequence[ConsentEntry], view: Consents) -> bool:
    """Return whether all of this is so already: whoever asks again, because no answer came, updates nothing a second time.

    What is pending may be asked for again: the mail that confirms it may not have come.
    """
    return bool(said) and all(
        entry.state is not ConsentState.PENDING
        and (entry.address is None or view.by_address.get(_place(entry, entry.address)) is entry.state)
        and (entry.profile is None or view.by_profile.get((entry.channel, entry.topic)) is entry.state)
        for entry in said
    )


def _place(entry: ConsentEntry, address: str) -> tuple[str, str, str]:
    return entry.channel, address, entry.topic


def _given(asked: _Asked, state: ConsentState, now: datetime) -> NewFact:
    wish = asked.wish
    fact = ConsentGiven(
        message_id=str(uuid4()),
        person=wish.person,
        profile=asked.profile.id if asked.profile is not None else None,
        wish=SubscriptionWish(
            channel=family(wish.channel), state=state, topic=wish.topic, address=asked.newest
        ),
        source=wish.source,
        at=now,
    )
    return NewFact(
        lane=lane_of(wish.person.value),
        source="consent",
        message_id=fact.message_id,
        received_at=now,
        payload=encode(fact),
    )


def _chosen(
    choice: Choice, person: Identifier, source: str, *, wanted: bool, reopened: set[str]
) -> Wish | None:
    """What a ticked or empty box changes; None where it stands for what is already so."""
    if wanted and (choice.on or (choice.closed and choice.kept_by_carrier)):
        return None
    if not wanted and not (choice.on or choice.channel in reopened):
        return None
    state = ConsentState.SUBSCRIBED if wanted else ConsentState.UNSUBSCRIBED
    return Wish(
        person=person,
        channel=choice.channel,
        topic=None if choice.topic == EVERY_TOPIC else choice.topic,
        state=state,
        source=source,
        # Who came by a link we sent to this address has shown that it is theirs; another of their addresses has not.
        confirmed=choice.address == person.value,
    )
