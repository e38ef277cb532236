"""Publish: definitions become live in one transaction; what must follow for everybody is left as a resumable job."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from engage.engine.broadcast.agenda import leave_clocks
from engage.ports.storage import Job, Store, StoredDefinition, Transaction

BACKFILL = "backfill"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One definition as its author wrote it."""

    kind: str
    name: str
    text: str
    meaning: str | None = None
    """What an edit must change to be a change; none: the text. (Comments and spaces are no meaning.)"""

    @property
    def checksum(self) -> str:
        """Digest of its meaning."""
        return hashlib.sha256((self.text if self.meaning is None else self.meaning).encode()).hexdigest()


@dataclass(slots=True)
class Published:
    """What a publication changed."""

    epoch: int
    added: list[tuple[str, str]] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    job: str | None = None
    """The backfill that follows, if any."""

    @property
    def anything(self) -> bool:
        """Whether it changed anything."""
        return bool(self.added or self.changed or self.removed)


class Publish:
    """The room."""

    def __init__(self, store: Store) -> None:
        """Publish into `store`."""
        self._store = store

    def publish(self, sources: Sequence[Source], *, whole: bool = True) -> Published:
        """Make these definitions live; with `whole`, what is live and not among them is taken out.

        One transaction. Publishing what is live already changes nothing, not even the epoch.
        """
        with self._store.transaction() as tx:
            return publish_in(tx, sources, whole=whole)

    def set_state(self, journey: str, state: str) -> int:
        """Pause, resume or archive a journey and return the new epoch; people follow by a job."""
        with self._store.transaction() as tx:
            return set_state_in(tx, journey, state)


def set_state_in(tx: Transaction, journey: str, state: str) -> int:
    """Change the state of a journey within a transaction of the caller's."""
    live = tx.definitions.live()
    was = next((it.state for it in live if (it.kind, it.name) == ("journey", journey)), None)
    epoch = tx.definitions.set_state("journey", journey, state)
    if state == "active":
        leave_clocks(tx, [journey], epoch)
    cause = {"active": "resume", "archived": "archive"}.get(state)
    if cause is not None:
        tx.jobs.save(
            Job(
                name=f"{cause}:{journey}:{epoch}",
                kind=BACKFILL,
                data={"cause": cause, "journey": journey, "was": was},
                total=tx.people.count(),
            )
        )
    return epoch


def publish_in(tx: Transaction, sources: Sequence[Source], *, whole: bool) -> Published:
    """Publish within a transaction of the caller's."""
    live = {(stored.kind, stored.name): stored for stored in tx.definitions.live()}
    last = tx.definitions.last_versions()
    result = Published(epoch=tx.definitions.epoch())
    new: list[StoredDefinition] = []
    for source in sources:
        key = (source.kind, source.name)
        known = live.pop(key, None)
        if known is not None and known.checksum == source.checksum:
            continue
        (result.added if known is None else result.changed).append(key)
        new.append(
            StoredDefinition(
                kind=source.kind,
                name=source.name,
                version=last.get(key, 0) + 1,
                source=source.text,
                checksum=source.checksum,
                state="active" if known is None else known.state,
            )
        )
    if whole:
        result.removed = sorted(live)
    if not new and not result.removed:
        return result
    result.epoch = tx.definitions.publish(new, result.removed)
    result.job = _leave_backfill(tx, new, result)
    touched = [(stored.kind, stored.name) for stored in new] + result.removed
    leave_clocks(tx, sorted(name for kind, name in touched if kind == "journey"), result.epoch)
    return result


def _leave_backfill(tx: Transaction, new: Sequence[StoredDefinition], result: Published) -> str | None:
    """Have everybody looked at once if rules are new, or a journey takes in who is inside already."""
    rules = sorted(stored.name for stored in new if stored.kind in ("audience", "trait"))
    journeys = sorted(stored.name for stored in new if stored.kind == "journey")
    # What a rule without a change of its own says depends on the house rules, and on rules that are gone.
    everything = any(stored.kind == "settings" for stored in new) or any(
        kind in ("settings", "audience", "trait") for kind, _ in result.removed
    )
    if not rules and not journeys and not everything:
        return None
    name = f"{BACKFILL}:{result.epoch}"
    tx.jobs.save(
        Job(
            name=name,
            kind=BACKFILL,
            data={"cause": "backfill", "rules": rules, "journeys": journeys, "everything": everything},
            total=tx.people.count(),
        )
    )
    return name
