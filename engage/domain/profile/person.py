"""Person: everything a turn holds in memory about one profile, and what expressions see of it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from engage.domain.audience.folds import NO_FOLDS, Folds
from engage.domain.consent.consent import Consents
from engage.domain.delivery.delivery import Channel
from engage.domain.expression import MapHistory, Scope, text_of
from engage.domain.ids import ProfileId
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.project_settings import ProjectSettings
from engage.domain.timing import zone_of
from engage.domain.turn.changes import TimerKind

_ADDRESS_TRAIT = {
    Channel.EMAIL: "email",
    Channel.SMS: "phone",
    Channel.MMS: "phone",
    Channel.WHATSAPP: "phone",
    Channel.VOICE: "phone",
    Channel.CHAT: "phone",
}


class Entries:
    """A person's entries into one journey so far."""

    __slots__ = ("count", "last", "last_by_key")

    def __init__(
        self, count: int = 0, last: datetime | None = None, by_key: dict[str, datetime] | None = None
    ) -> None:
        self.count = count
        self.last = last
        self.last_by_key = by_key or {}

    def add(self, key: str, at: datetime) -> int:
        """Count one more entry and return its ordinal."""
        self.count += 1
        self.last = at
        self.last_by_key[key] = at
        return self.count


class Person:
    """One profile's working set. Owned by one turn; changed in place; written by what the turn collects."""

    __slots__ = (
        "audiences",
        "consents",
        "entries",
        "folds",
        "history",
        "profile",
        "runs",
        "stored",
        "timers",
        "unjudged",
    )

    def __init__(
        self,
        profile: Profile,
        *,
        unjudged: bool = False,
        audiences: set[str] | None = None,
        runs: Iterable[Run] = (),
        entries: dict[str, Entries] | None = None,
        history: Iterable[Event] = (),
        folds: Folds = NO_FOLDS,
        consents: Consents | None = None,
        timers: dict[tuple[TimerKind, str], datetime] | None = None,
    ) -> None:
        """Hold what storage loaded for this turn; `unjudged`: new, or just merged: every rule is to be judged."""
        self.profile = profile
        self.unjudged = unjudged
        self.audiences = audiences if audiences is not None else set()
        self.runs = list(runs)
        self.entries = entries if entries is not None else {}
        self.history = MapHistory(history)
        self.folds = folds
        self.stored: frozenset[str] = frozenset()
        """Events at hand, by id, that were stored before: they are told again, and counted already."""
        self.consents = consents or Consents()
        self.timers = timers if timers is not None else {}

    @property
    def id(self) -> ProfileId:
        """The profile's id."""
        return self.profile.id

    def active_runs(self) -> list[Run]:
        """Return the runs that have not ended, the earlier entered first."""
        return [run for run in self.runs if run.active]

    def run(self, run_id: str) -> Run | None:
        """Return one run by id."""
        for run in self.runs:
            if run.id == run_id:
                return run
        return None

    def zone(self, settings: ProjectSettings) -> tuple[ZoneInfo, bool]:
        """Return the person's zone, and whether their own one was invalid."""
        return zone_of(self.profile.traits.get("timezone"), settings.zone)

    def address(self, channel: str) -> str | None:
        """Return the person's own address on a channel."""
        return address_of(self.profile, channel)

    def scope(
        self,
        settings: ProjectSettings,
        now: datetime,
        *,
        event: dict[str, Any] | None = None,
        run: Run | None = None,
        entry: dict[str, Any] | None = None,
        entry_event: str | None = None,
    ) -> Scope:
        """Return what an expression about this person sees at `now`."""
        profile = self.profile
        return Scope(
            now=now,
            zone=self.zone(settings)[0],
            profile=profile.traits,
            profile_ids={
                "id": profile.id,
                "user_id": profile.identifier("user_id"),
                "anonymous_id": profile.identifier("anonymous_id"),
            },
            event=event,
            entry=run.entry if run is not None else entry,
            entry_event=run.entry_event if run is not None else entry_event,
            run=run_names(run) if run is not None else None,
            history=self.history,
            folds=self.folds.kept,
            in_audience=self.audiences.__contains__,
            subscribed=self._subscribed(settings),
            changed_at=self._changed_at,
            bucket_key=profile.bucket_key,
        )

    def _changed_at(self, trait: str) -> datetime | None:
        times = self.profile.trait_times.get(trait)
        return None if times is None else times.changed

    def _subscribed(self, settings: ProjectSettings) -> Callable[[str, str], bool]:
        def subscribed(channel: str, topic: str) -> bool:
            address = self.address(channel)
            if address is None:
                return False
            return self.consents.refusal(channel, address, topic, settings.policy(channel, topic)) is None

        return subscribed


def run_names(run: Run) -> dict[str, Any]:
    """Return what `run.<name>` reads."""
    return {**run.variables, "key": run.key or None, "entered_at": run.entered_at}


def address_trait(channel: str) -> str | None:
    """Return the trait that holds a person's address on a channel; None for a channel without one."""
    try:
        return _ADDRESS_TRAIT[Channel(channel)]
    except (KeyError, ValueError):
        return None


def address_of(profile: Profile, channel: str) -> str | None:
    """Return a profile's address on a channel, or None."""
    trait = address_trait(channel)
    value = None if trait is None else profile.traits.get(trait)
    if value is None or isinstance(value, bool | dict | list):
        return None
    return text_of(value).strip() or None
