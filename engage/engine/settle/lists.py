"""Lists: a provider's own lists of refused addresses and our ledger say the same; ours leads.

A pass reads what came onto their lists, tells them every no of ours that they lack, and takes off what was taken back.
Each turn is one page or one batch: read what to do (a transaction), call, write (a transaction) — unless another worker
did it meanwhile. Where a pass stands lies in the job's row, so that a killed worker costs one page.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
import structlog

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, Consents, ConsentState, SuppressionEntry
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import ConsentGiven, Identifier, NewFact, SubscriptionWish, encode
from engage.domain.ids import lane_of
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.intake import NOBODY
from engage.engine.canonical.address import normal_address
from engage.ports.clock import Clock, Hints
from engage.ports.listing import (
    GROUP,
    SUPPRESSING,
    UNSUBSCRIBED,
    Listed,
    ListsAwayError,
    ProviderLists,
)
from engage.ports.storage import Job, Store, Transaction

log = structlog.get_logger(__name__)

KIND = "lists"
REST = timedelta(minutes=5)
"""Between two passes; a provider's webhook says nearly everything at once."""
OVERLAP = timedelta(hours=1)
"""How far a pass looks back behind the last one: clocks differ, and lists are written late."""
TOLD_AT_ONCE = 500
PULL, TELL, TAKE_BACK = "pull", "tell", "take_back"


class State(msgspec.Struct, kw_only=True):
    """Where the passes of one provider stand."""

    phase: str = PULL
    listing: int = 0
    """Which of the lists is being read."""
    offset: int = 0
    began: datetime | None = None
    """When this pass began."""
    since: dict[str, datetime] = {}
    """Up to when each list has been read."""
    passed_at: datetime | None = None
    """When the last whole pass ended."""
    due: datetime | None = None
    error: str | None = None


class Lists:
    """The room. Any number of workers may take turns at once: one of them gets its page written."""

    def __init__(
        self,
        store: Store,
        settings_of: Callable[[], ProjectSettings],
        provider: ProviderLists,
        clock: Clock,
        hints: Hints,
    ) -> None:
        """Keep `provider` and the ledger in `store` in step, topics by the live settings."""
        self._store, self._settings_of, self._provider = store, settings_of, provider
        self._clock, self._hints = clock, hints
        self._job = f"{KIND}:{provider.provider}"

    @property
    def name(self) -> str:
        """The provider's."""
        return self._provider.provider

    def turn(self) -> bool:
        """Read a page, or tell a batch; whether there is more to do now."""
        now = self._clock.now()
        topics = topics_of(self._settings_of())
        listings = [*self._provider.listings, *(name for name in topics if name.startswith(GROUP))]
        with self._store.transaction() as tx:
            job = tx.jobs.lock(self._job)
            state = State() if job is None else msgspec.convert(job.data, State)
            if state.due is not None and state.due > now:
                return False
            told = self._work(tx, state, topics)
        state.began = state.began or now
        try:
            seen, more = self._call(state, listings, told, now)
        except ListsAwayError as exc:
            log.warning("lists.away", provider=self._provider.provider, error=str(exc))
            state.error, state.due = str(exc), now + REST
            self._save(job, state, lambda tx: set())
            return False
        phase = state.phase
        listing = listings[state.listing] if phase == PULL and state.listing < len(listings) else ""
        _advance(state, listing, len(seen), more, len(listings), now)
        self._save(job, state, lambda tx: self._write(tx, phase, topics, seen, told, now))
        return state.due is None

    def _work(self, tx: Transaction, state: State, topics: dict[str, str]) -> list[Listed]:
        """Return what the provider is to be told in this turn."""
        if state.phase == TELL:
            untold = tx.listings.untold(self._provider.provider, topics, TOLD_AT_ONCE)
            return [one for one in untold if one.listing == untold[0].listing]
        if state.phase == TAKE_BACK:
            return tx.listings.taken_back(self._provider.provider, topics, 1)
        return []

    def _call(
        self, state: State, listings: Sequence[str], told: Sequence[Listed], now: datetime
    ) -> tuple[list[Listed], bool]:
        """Do a turn's call; return what was seen on a list, and whether the phase goes on."""
        if state.phase == PULL:
            if state.listing >= len(listings):
                return [], False
            listing = listings[state.listing]
            page = self._provider.page(listing, state.since.get(listing), state.offset)
            return [
                Listed(listing=listing, address=address, at=min(at or now, now))
                for address, at in page.entries
            ], page.more
        if told and state.phase == TELL:
            self._provider.add(told[0].listing, [one.address for one in told])
        for one in told if state.phase == TAKE_BACK else ():
            self._provider.remove(one.listing, one.address)
        return [], bool(told)

    def _write(
        self,
        tx: Transaction,
        phase: str,
        topics: dict[str, str],
        seen: Sequence[Listed],
        told: Sequence[Listed],
        now: datetime,
    ) -> set[int]:
        if phase == PULL:
            return self._take_in(tx, seen, topics, now)
        if phase == TELL:
            at = now.replace(microsecond=0)
            tx.listings.keep(
                self._provider.provider, [msgspec.structs.replace(one, at=max(at, one.at)) for one in told]
            )
        else:
            tx.listings.drop(self._provider.provider, told)
        return set()

    def _take_in(
        self, tx: Transaction, seen: Sequence[Listed], topics: dict[str, str], now: datetime
    ) -> set[int]:
        """Write into the ledger what is news; return the lanes of those whom it is news about.

        Of an address that nobody has, and at which no yes stands, only a keyed hash is kept, in ledger and list alike:
        its no will hold for whoever comes with it, and whoever was erased does not come back by a list.
        """
        plain = [one for raw in seen if (one := _normal(raw)) is not None]
        pairs = sorted({(str(Channel.EMAIL), one.address) for one in plain})
        view = tx.consents.view([NOBODY], {NOBODY: pairs}).get(NOBODY, Consents())
        owners = tx.people.find({Identifier("email", address) for _, address in pairs})
        known = {one.value for one in owners} | {name for _, name in pairs if view.any_yes(name)}
        names = {name: name if name in known else tx.consents.veiled(name) for _, name in pairs}
        rows = [msgspec.structs.replace(one, address=names[one.address]) for one in plain]
        fresh = {(one.listing, one.address) for one in tx.listings.keep(self._provider.provider, rows)}
        news = [one for one in plain if (one.listing, names[one.address]) in fresh]
        bad = [one for one in news if one.listing in SUPPRESSING and not _is_suppressed(view, one.address)]
        said = [
            one
            for one in news
            if one.listing in topics and not _said_no(view, one.address, topics[one.listing])
        ]
        source = self._provider.provider
        tx.consents.append(
            [
                ConsentEntry(
                    channel=Channel.EMAIL,
                    topic=topics[one.listing],
                    state=ConsentState.UNSUBSCRIBED,
                    at=one.at,
                    source=f"{source}:{one.listing}",
                    address=names[one.address],
                )
                for one in said
            ],
            [
                SuppressionEntry(
                    channel=Channel.EMAIL,
                    address=names[one.address],
                    reason=one.listing,
                    at=one.at,
                    source=f"{source}:{one.listing}",
                )
                for one in bad
            ],
        )
        after = tx.consents.view([NOBODY], {NOBODY: pairs}).get(NOBODY, Consents())
        facts = [
            _given(source, one, topics[one.listing], now)
            for one in said
            if Identifier("email", one.address) in owners
            and _said_no(after, one.address, topics[one.listing])
        ]
        tx.inbox.add(facts)
        return {fact.lane for fact in facts}

    def _save(self, before: Job | None, state: State, write: Callable[[Transaction], set[int]]) -> None:
        with self._store.transaction() as tx:
            there = tx.jobs.lock(self._job)
            if (None if there is None else there.data) != (None if before is None else before.data):
                return  # another worker was here: what we know of this page is written, or read again
            lanes = write(tx)
            data: dict[str, Any] = msgspec.to_builtins(state)
            # Always finished: it goes on for ever, and nobody waits for it.
            tx.jobs.save(Job(name=self._job, kind=KIND, data=data, finished_at=self._clock.now()))
        if lanes:
            self._hints.digest(lanes)


def state_of(store: Store, provider: str) -> tuple[State | None, dict[str, int]]:
    """Return where a provider's passes stand, and how many addresses we saw on each list."""
    with store.transaction() as tx:
        job = tx.jobs.lock(f"{KIND}:{provider}")
        counts = tx.listings.counts(provider)
    return (None if job is None else msgspec.convert(job.data, State)), counts


def topics_of(settings: ProjectSettings) -> dict[str, str]:
    """Return which topic of the ledger each list stands for."""
    groups = {
        f"{GROUP}{topic.unsubscribe_group}": name
        for name, topic in settings.topics.items()
        if topic.unsubscribe_group is not None
    }
    return {UNSUBSCRIBED: EVERY_TOPIC, **groups}


def _advance(state: State, listing: str, seen: int, more: bool, listings: int, now: datetime) -> None:
    """Move a pass on behind what was just done."""
    state.error, state.due = None, None
    assert state.began is not None
    if more:
        state.offset += seen
        return
    state.offset = 0
    if state.phase == PULL:
        if listing:
            state.since[listing] = state.began - OVERLAP
        state.listing += 1
        if state.listing >= listings:
            state.phase, state.listing = TELL, 0
    elif state.phase == TELL:
        state.phase = TAKE_BACK
    else:
        state.phase, state.began, state.passed_at, state.due = PULL, None, now, now + REST


def _normal(one: Listed) -> Listed | None:
    address = normal_address(Channel.EMAIL, one.address, "US")
    return None if address is None else msgspec.structs.replace(one, address=address)


def _is_suppressed(view: Consents, address: str) -> bool:
    return (Channel.EMAIL, address) in view.suppressed


def _said_no(view: Consents, address: str, topic: str) -> bool:
    return view.by_address.get((Channel.EMAIL, address, topic)) is ConsentState.UNSUBSCRIBED


def _given(source: str, one: Listed, topic: str, now: datetime) -> NewFact:
    which = f"{one.listing}\x1f{one.address}\x1f{int(one.at.timestamp())}"
    fact = ConsentGiven(
        message_id=blake2b(which.encode(), digest_size=16).hexdigest(),
        person=Identifier("email", one.address),
        profile=None,
        wish=SubscriptionWish(
            channel=Channel.EMAIL,
            state=ConsentState.UNSUBSCRIBED,
            topic=None if topic == EVERY_TOPIC else topic,
            address=one.address,
        ),
        source=f"{source}:{one.listing}",
        at=one.at,
    )
    return NewFact(
        lane=lane_of(one.address),
        source=f"{source}:list",
        message_id=fact.message_id,
        received_at=now,
        payload=encode(fact),
    )
