"""Operate: what an operator changes while everything runs — publish, roll back, pause, stop — each on the audit trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from engage.domain.consent.consent import SuppressionEntry, family
from engage.domain.delivery.delivery import Delivery, FailReason, Mark
from engage.domain.errors import EngageError
from engage.domain.fact import NewFact, Outcome, encode
from engage.domain.ids import DeliveryId
from engage.engine.accept.intake import NOBODY
from engage.engine.publish.publish import Published, Source, publish_in, set_state_in
from engage.ports.storage import Store, StoredDefinition, Transaction
from engage.ports.trail import AuditEntry

ALL = "*"
"""Every channel."""


class ChangedMeanwhileError(EngageError):
    """What is live is not what the plan was made against; plan again."""


class NoSuchVersionError(EngageError):
    """There is no such journey live, or no such version of it to go back to."""


class WrongStateError(EngageError):
    """The journey is not in a state from which that can be done."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who does it, and when."""

    name: str
    now: datetime


class Wanted(StrEnum):
    """What an operator may do to a journey."""

    PAUSE = "pause"
    RESUME = "resume"
    ARCHIVE = "archive"


class Resolution(StrEnum):
    """What an operator may say became of a delivery."""

    TAKEN = "taken"
    """The provider has it: it counts as accepted."""
    NOT_TAKEN = "not-taken"
    """The provider has not got it: it is sent again."""
    FAILED = "failed"
    """Nobody will know: it is given up, and never sent again."""


class NotSuppressedError(EngageError):
    """There is nothing to lift, or not without the person's own wish."""


class NotUnknownError(EngageError):
    """A delivery that is to be resolved is not there, or its outcome is known."""


_STATES = {Wanted.PAUSE: "paused", Wanted.RESUME: "active", Wanted.ARCHIVE: "archived"}
_FROM = {
    Wanted.PAUSE: {"active"},
    Wanted.RESUME: {"paused", "archived"},
    Wanted.ARCHIVE: {"active", "paused"},
}


class Operate:
    """The room. Each verb is one transaction and leaves one line on the audit trail; what changed nothing leaves none."""

    def __init__(self, store: Store) -> None:
        """Operate on what lives in `store`."""
        self._store = store

    def publish(self, sources: Sequence[Source], by: Operator, *, epoch: int | None = None) -> Published:
        """Make these definitions live, and take out what is live and not among them.

        Raises:
            ChangedMeanwhileError: `epoch`, against which the plan was made, is no longer the live one.
        """
        with self._store.transaction() as tx:
            published = publish_in(tx, sources, whole=True)
            _still(published, epoch)
            if published.anything:
                _note(tx, by, "publish", "project", _told(published))
            return published

    def earlier(self, journey: str, version: int | None = None) -> tuple[StoredDefinition, StoredDefinition]:
        """Return the live version of a journey and the one to go back to: `version`, else the newest that differs.

        Raises:
            NoSuchVersionError: there is none.
        """
        with self._store.transaction() as tx:
            return _earlier(tx, journey, version)

    def rollback(
        self, journey: str, version: int | None, by: Operator, *, epoch: int | None = None
    ) -> tuple[Published, StoredDefinition]:
        """Publish an earlier version of a journey again, as its newest; templates stay as they are.

        Raises:
            NoSuchVersionError: there is none.
            ChangedMeanwhileError: `epoch` is no longer the live one.
        """
        with self._store.transaction() as tx:
            _, earlier = _earlier(tx, journey, version)
            source = _Again(
                kind="journey", name=journey, text=earlier.source, meaning=None, known=earlier.checksum
            )
            published = publish_in(tx, [source], whole=False)
            _still(published, epoch)
            _note(tx, by, "rollback", journey, {"to": earlier.version, **_told(published)})
            return published, earlier

    def set_state(self, journey: str, wanted: Wanted, by: Operator) -> int:
        """Pause, resume or archive a journey and return the new epoch; the people inside follow by a job.

        Raises:
            NoSuchVersionError: there is no such journey.
            WrongStateError: it is not in a state from which that can be done, for instance paused already.
        """
        with self._store.transaction() as tx:
            live = _live(tx, journey)
            if live.state not in _FROM[wanted]:
                raise WrongStateError(f"`{journey}` is {live.state}; it cannot {wanted}")
            epoch = set_state_in(tx, journey, _STATES[wanted])
            _note(tx, by, str(wanted), journey, {"epoch": epoch})
            return epoch

    def stop_sending(self, channel: str, stopped: bool, by: Operator) -> bool:
        """Stop or resume a channel (`*`: all) at once; False if it stood so already."""
        with self._store.transaction() as tx:
            if (channel in tx.definitions.stopped_channels()) is stopped:
                return False
            epoch = tx.definitions.stop_sending(channel, stopped)
            _note(tx, by, "stop_sending" if stopped else "resume_sending", channel, {"epoch": epoch})
            return True

    def resolve(self, delivery: DeliveryId, how: Resolution, by: Operator) -> Delivery:
        """Say what became of a delivery whose outcome nobody knew: a fact like any other, digested in its turn.

        Raises:
            NotUnknownError: there is no such delivery, or its outcome is known.
        """
        with self._store.transaction() as tx:
            found = tx.deliveries.get([delivery]).get(delivery)
            if found is None:
                raise NotUnknownError(
                    f"there is no delivery {delivery}; `engage unknown list` shows those to resolve"
                )
            if found.status is not Mark.UNKNOWN:
                raise NotUnknownError(f"the outcome of {delivery} is known: {found.status}")
            tx.inbox.add([_resolution(found, how, by)])
            _note(tx, by, "resolve", str(delivery), {"as": str(how), "channel": str(found.channel)})
            return found

    def lift(self, channel: str, address: str, by: Operator, *, complaint: bool = False) -> str:
        """Take an address off the list of those that must not be used; return why it stood there.

        Raises:
            NotSuppressedError: it does not stand there, or the person complained and `complaint` is not set.
        """
        with self._store.transaction() as tx:
            kind = family(channel)
            why = tx.consents.view([NOBODY], {NOBODY: [(kind, address)]})[NOBODY].suppressed.get(
                (kind, address)
            )
            if why is None:
                raise NotSuppressedError("this address is not on the list for this channel; nothing to lift")
            if why == Mark.COMPLAINED and not complaint:
                raise NotSuppressedError(
                    "this person complained; lift it with --complaint if they asked you to, and only then"
                )
            entry = SuppressionEntry(
                channel=kind, address=address, reason=why, at=by.now, source=by.name, lifted=True
            )
            tx.consents.append([], [entry])
            _note(tx, by, "lift", kind, {"was": why})  # the address itself stands in the list alone
            return why

    def stopped(self) -> frozenset[str]:
        """Return the channels that may not send."""
        with self._store.transaction() as tx:
            return tx.definitions.stopped_channels()

    def trail(self, limit: int = 50) -> Sequence[AuditEntry]:
        """Return what operators did last, newest first."""
        with self._store.transaction() as tx:
            return tx.trail.newest(limit)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Again(Source):
    """A source as it was stored, under the checksum it had then."""

    known: str

    @property
    def checksum(self) -> str:
        return self.known


def _still(published: Published, epoch: int | None) -> None:
    """Publishing moves the epoch on by one: more than that is what somebody else did since the plan."""
    if epoch is not None and published.epoch != epoch + int(published.anything):
        raise ChangedMeanwhileError("what is live has changed since the plan was made; plan again")


def _live(tx: Transaction, journey: str) -> StoredDefinition:
    for stored in tx.definitions.live():
        if (stored.kind, stored.name) == ("journey", journey):
            return stored
    raise NoSuchVersionError(f"no journey `{journey}` is live")


def _earlier(tx: Transaction, journey: str, version: int | None) -> tuple[StoredDefinition, StoredDefinition]:
    live = _live(tx, journey)
    if version is not None:
        found = tx.definitions.versions([(journey, version)])
        if not found:
            raise NoSuchVersionError(f"`{journey}` has no version {version}; live is version {live.version}")
        return live, found[0]
    before = tx.definitions.versions([(journey, number) for number in range(1, live.version)])
    different = [stored for stored in before if stored.checksum != live.checksum]
    if not different:
        raise NoSuchVersionError(f"`{journey}` has no version before {live.version} to go back to")
    return live, max(different, key=lambda stored: stored.version)


def _told(published: Published) -> dict[str, Any]:
    return {
        "epoch": published.epoch,
        "added": ["/".join(key) for key in published.added],
        "changed": ["/".join(key) for key in published.changed],
        "removed": ["/".join(key) for key in published.removed],
    }


def _resolution(delivery: Delivery, how: Resolution, by: Operator) -> NewFact:
    mark, reason, detail = {
        Resolution.TAKEN: (Mark.ACCEPTED, None, None),
        Resolution.NOT_TAKEN: (Mark.HELD, None, "not_taken"),
        Resolution.FAILED: (Mark.FAILED, FailReason.UNKNOWN_OUTCOME, None),
    }[how]
    outcome = Outcome(
        delivery=delivery.id,
        profile=delivery.profile,
        mark=mark,
        at=by.now,
        attempt=delivery.calls,
        provider_id=delivery.provider_id,
        reason=reason,
        detail=detail,
    )
    # One answer per call: whoever says something else afterwards is not heard.
    key = f"{delivery.id}/{delivery.calls}/resolved"
    return NewFact(
        lane=delivery.lane, source="operator", message_id=key, received_at=by.now, payload=encode(outcome)
    )


def _note(tx: Transaction, by: Operator, action: str, subject: str, data: Mapping[str, Any]) -> None:
    tx.trail.add(AuditEntry(at=by.now, actor=by.name, action=action, subject=subject, data=dict(data)))
