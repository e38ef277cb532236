"""The judgement: the strictest of all rules, at all places where the person may be, decides."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from engage.domain.delivery.delivery import CALLS, Channel
from engage.domain.law.hours import closes, next_lawful, window_at
from engage.domain.law.places import Located, Places
from engage.domain.law.rules import LawPack, Requirement, Rule
from engage.domain.timing import wall_of

_FARTHEST = timedelta(days=14)
"""Rules that leave no common instant within this leave none: the message is refused instead of waiting for ever."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A message or call about to reach somebody."""

    channel: Channel
    topic: str | None
    is_marketing: bool
    located: Located


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: lawful again then, by this rule."""

    until: datetime
    rule: str


@dataclass(frozen=True, slots=True)
class Never:
    """Refused, by this rule."""

    rule: str


@dataclass(frozen=True, slots=True)
class _InForce:
    pack: LawPack
    rule: Rule

    def named(self, what: str, zone: ZoneInfo | None, located: Located) -> str:
        place, evidence = next((p, located.by[p]) for p in self.rule.places if p in located.by)
        where = "" if zone is None else f" {zone.key},"
        return (
            f"law {self.rule.id}, {self.pack.law} {self.pack.version}:{where} {what} ({place} by {evidence})"
        )


Sent = tuple[Channel, str | None, datetime]
"""Something accepted: channel, topic, when."""
IsOwed = Callable[[str | None], bool]
"""Whether a topic is transactional."""


class Law:
    """The packs a project keeps, and the places. Immutable."""

    def __init__(self, packs: Iterable[LawPack] = (), places: Places | None = None) -> None:
        self.packs = tuple(packs)
        self.places = places or Places()

    def locate(self, traits: Mapping[str, Any], phone: str | None, fallback: ZoneInfo) -> Located:
        """Return where a person is, for the law."""
        return self.places.locate(traits, phone, fallback)

    def speaks_of(self, channel: Channel) -> bool:
        """Return whether any rule has hours or a limit for a channel: else nobody needs to be located."""
        return channel in self._channels

    def refusal(
        self, contact: Contact, sent: Iterable[Sent], is_owed: IsOwed, now: datetime
    ) -> Wait | Never | None:
        """Return why the law does not let this contact happen at `now`, or None.

        `sent` is what this person got lately.
        """
        rules = list(self._rules(contact))
        if not rules:
            return None
        return self._hours(rules, contact, now) or _limits(rules, contact, list(sent), is_owed, now)

    def lawful_until(self, contact: Contact, now: datetime) -> datetime | None:
        """Return the end of the lawful window that is open at `now`; None where no rule ends it."""
        ends = [
            end
            for item in self._rules(contact)
            if item.rule.hours
            for zone in contact.located.zones
            if (end := closes(item.rule, now, zone)) is not None
        ]
        return min(ends, default=None)

    def longest_limit(self, channel: Channel) -> timedelta:
        """Return how far back a limit may look for a channel; none: zero."""
        return max(
            (rule.limit.per for rule in self._all() if rule.limit is not None and channel in rule.channels),
            default=timedelta(0),
        )

    @cached_property
    def stop_words(self) -> Mapping[Channel, frozenset[str]]:
        """Texts that the packs count as STOP, by channel, folded as `is_stop` compares them."""
        found: dict[Channel, set[str]] = {}
        for rule in self._all():
            for channel in rule.channels if rule.words else ():
                found.setdefault(channel, set()).update(map(_folded, rule.words))
        return {channel: frozenset(words) for channel, words in found.items()}

    def is_stop(self, channel: Channel, text: str) -> bool:
        """Return whether a text is, as a whole, an opt-out by one of the packs, wherever its writer may be.

        Stricter than the packs' places: nobody is asked where they live before their no is heard.
        """
        words = self.stop_words.get(channel)
        return bool(words) and _folded(text) in (words or ())

    def asks_for(self, requirement: Requirement, channel: Channel) -> Rule | None:
        """Return a rule that asks for something of marketing on a channel, or None."""
        return next(
            (rule for rule in self._all() if requirement in rule.requires and channel in rule.channels), None
        )

    def _all(self) -> Iterator[Rule]:
        for pack in self.packs:
            yield from pack.rules

    @cached_property
    def _channels(self) -> frozenset[Channel]:
        return frozenset(
            channel for rule in self._all() if rule.hours or rule.limit for channel in rule.channels
        )

    def _rules(self, contact: Contact) -> Iterator[_InForce]:
        if contact.channel in CALLS:
            return
        for pack in self.packs:
            for rule in pack.rules:
                if (
                    contact.channel in rule.channels
                    and (contact.is_marketing or rule.scope == "all")
                    and any(place in contact.located.by for place in rule.places)
                ):
                    yield _InForce(pack, rule)

    def _hours(self, rules: Iterable[_InForce], contact: Contact, now: datetime) -> Wait | Never | None:
        # A state's rule before its country's: of two that say the same, the nearer one is named.
        nearest = sorted(rules, key=lambda item: not any("-" in place for place in item.rule.places))
        timed = [(item, zone) for item in nearest if item.rule.hours for zone in contact.located.zones]
        at, binding = now, ""
        settled = False
        while not settled:
            settled = True
            for item, zone in timed:
                opening = next_lawful(item.rule, at, zone)
                if opening == at:
                    continue
                name = item.named(_window_words(item.rule, at, zone), zone, contact.located)
                if opening is None or opening > now + _FARTHEST:
                    return Never(name)
                at, binding, settled = opening, name, False
        return Wait(at, binding) if at > now else None


def _limits(
    rules: Iterable[_InForce], contact: Contact, sent: list[Sent], is_owed: IsOwed, now: datetime
) -> Wait | Never | None:
    waits: list[Wait] = []
    for item in rules:
        limit = item.rule.limit
        if limit is None or not any(
            item.rule.holds_on(wall_of(now, z).date()) for z in contact.located.zones
        ):
            continue
        counted = sorted(
            at
            for channel, topic, at in sent
            if channel in item.rule.channels
            and (topic == contact.topic or not limit.same_topic)
            and (item.rule.scope == "all" or not is_owed(topic))
            and at > now - limit.per
        )
        if len(counted) < limit.count:
            continue
        hours = limit.per / timedelta(hours=1)
        name = item.named(f"at most {limit.count} in {hours:g} hours", None, contact.located)
        if limit.on_limit == "skip":
            return Never(name)
        waits.append(Wait(counted[-limit.count] + limit.per, name))
    return max(waits, key=lambda wait: wait.until, default=None)


def _window_words(rule: Rule, at: datetime, zone: ZoneInfo) -> str:
    day = wall_of(at, zone).weekday()
    today = [f"{w.from_:%H:%M}-{w.to:%H:%M}" for w in rule.hours if not w.days or day in w.days]
    closed = window_at(rule, at, zone) is None and not today
    return "not on this day" if closed else f"only {' and '.join(today)}"


def _folded(text: str) -> str:
    return " ".join(text.replace("-", " ").casefold().split())


NO_LAW = Law()
"""What a project without `settings.law` keeps."""
