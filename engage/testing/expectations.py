"""Expectations: every named part of an `expect` compared with what is seen; what does not hold is told in words."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engage.domain.delivery.delivery import Channel, Delivery
from engage.project.scenario import (
    AudienceExpected,
    Expected,
    MessageExpected,
    RunsExpected,
    SentExpected,
)
from engage.testing.call_expectations import calls_differ
from engage.testing.errors import ScenarioError
from engage.testing.moments import as_offset
from engage.testing.seen import Line, Seen
from engage.testing.values import same, shown

MAX_SHOWN = 40
"""Lines of an exact list that a report shows."""


def failures_of(expected: Expected, seen: Seen) -> Iterator[str]:
    """Yield what does not hold, part by part, in the order in which the parts are documented."""
    for name, audience in expected.audiences.items():
        yield from _audience(name, audience, seen)
    for person, traits in expected.traits.items():
        yield from _traits(person, traits, seen)
    for journey, runs in expected.runs.items():
        yield from _runs(journey, runs, seen)
    for person, places in expected.at_step.items():
        yield from _at_step(person, places, seen)
    if expected.sent is not None:
        yield from _sent(expected.sent, seen)
    yield from _exactly("messages", expected.messages, lambda: seen.messages, seen)
    yield from _exactly("skipped", expected.skipped, lambda: seen.skipped, seen)
    yield from _exactly("failed", expected.failed, lambda: seen.failed, seen)
    for status in expected.status:
        yield from _status(status.of, str(status.is_), seen)
    yield from calls_differ("webhooks", Channel.WEBHOOK, expected.webhooks, seen)
    yield from calls_differ("handoffs", Channel.HANDOFF, expected.handoffs, seen)
    for person, channels in expected.subscribed.items():
        for channel, topics in channels.items():
            for topic, wanted in topics.items():
                place = f"subscribed.{person}.{channel}.{topic}"
                yield from _equal(place, wanted, seen.subscribed(person, channel, topic))
    for person, counts in expected.events.items():
        happened = seen.events(person)
        for event, count in counts.items():
            yield from _equal(f"events.{person}.{event}", count, happened.get(event, 0))
    if expected.same_person is not None:
        yield from _same_person(expected.same_person, seen)


def _equal(place: str, wanted: Any, got: Any) -> Iterator[str]:
    if not same(wanted, got):
        yield f"{place}: expected {shown(wanted)}, got {shown(got)}"


def _audience(name: str, wanted: AudienceExpected, seen: Seen) -> Iterator[str]:
    inside = {profile for profile, audiences in seen.memberships.items() if name in audiences}
    missing = [person for person in wanted.in_ if seen.profile_id(person) not in inside]
    if missing:
        yield f"audiences.{name}.in: {', '.join(missing)} {_are(missing)} not inside"
    strangers = [person for person in wanted.out if seen.profile_id(person) in inside]
    if strangers:
        yield f"audiences.{name}.out: {', '.join(strangers)} {_are(strangers)} inside"
    if wanted.count is not None:
        yield from _equal(f"audiences.{name}.count", wanted.count, len(inside))


def _are(people: Sequence[str]) -> str:
    return "is" if len(people) == 1 else "are"


def _traits(person: str, wanted: Mapping[str, Any], seen: Seen) -> Iterator[str]:
    profile = seen.profile(person)
    traits: Mapping[str, Any] = {} if profile is None else profile.traits
    for name, value in wanted.items():
        yield from _equal(f"traits.{person}.{name}", value, _trait(traits, name))


def _trait(traits: Mapping[str, Any], name: str) -> Any:
    if name in traits:
        return traits[name]
    value: Any = traits
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _runs(journey: str, wanted: RunsExpected, seen: Seen) -> Iterator[str]:
    mine = [run for run in seen.runs if run.journey == journey]
    if wanted.entries is not None:
        yield from _equal(f"runs.{journey}.entries", wanted.entries, len(mine))
    if wanted.active is not None:
        yield from _equal(f"runs.{journey}.active", wanted.active, sum(run.active for run in mine))
    ended = [run.reason or "" for run in mine if not run.active]
    for reason, count in wanted.ended.items():
        got = ended.count(reason) if reason else len(ended)
        if got != count:
            all_reasons = {name: ended.count(name) for name in sorted(set(ended))}
            where = f"runs.{journey}.ended" + (f".{reason}" if reason else "")
            yield f"{where}: expected {count}, got {got} (ended: {shown(all_reasons)})"


def _at_step(person: str, wanted: Mapping[str, Sequence[str]], seen: Seen) -> Iterator[str]:
    for journey, places in wanted.items():
        got = seen.places(person, journey)
        if sorted(got) != sorted(places):
            yield f"at_step.{person}.{journey}: expected {_place(places)}, got {_place(got)}"


def _place(places: Sequence[str]) -> str:
    return shown(None if not places else places[0] if len(places) == 1 else list(places))


def _sent(wanted: SentExpected, seen: Seen) -> Iterator[str]:
    """Compare numbers of sends; where one does not hold, say too what was refused or failed, and why."""
    differs = list(_sent_parts(wanted, seen))
    reasons = Counter(str(line.values["reason"]) for line in (*seen.skipped, *seen.failed))
    if differs and reasons:
        told = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        differs[0] += f" (not sent: {told})"
    yield from differs


def _sent_parts(wanted: SentExpected, seen: Seen) -> Iterator[str]:
    accepted = seen.accepted
    if wanted.count is not None:
        yield from _equal("sent.count", wanted.count, len(accepted))
    for person, count in wanted.to.items():
        profile = seen.profile_id(person)
        yield from _equal(f"sent.to.{person}", count, sum(d.profile == profile for d in accepted))
    parts: tuple[tuple[str, Mapping[Any, int], Callable[[Delivery], str | None]], ...] = (
        ("step", wanted.step, lambda delivery: delivery.step),
        ("channel", wanted.channel, lambda delivery: delivery.channel),
        ("journey", wanted.journey, lambda delivery: delivery.journey),
        ("template", wanted.template, lambda delivery: delivery.template),
    )
    for part, counts, of in parts:
        for name, count in counts.items():
            yield from _equal(f"sent.{part}.{name}", count, sum(of(d) == name for d in accepted))


def _status(of: Any, wanted: str, seen: Seen) -> Iterator[str]:
    told = {key: getattr(of, key) for key in type(of).model_fields if key in of.model_fields_set}
    try:
        delivery = seen.stage.referred(seen.tx, of)
    except ScenarioError as exc:
        yield f"status of {shown(told)}: {exc}"
        return
    if delivery.status != wanted:
        why = f" ({delivery.reason})" if delivery.reason else ""
        yield f"status of {shown(told)}: expected {wanted}, got {delivery.status}{why}"


def _same_person(names: Sequence[str], seen: Seen) -> Iterator[str]:
    found = {name: seen.profile_id(name) for name in names}
    if None in found.values():
        yield f"same_person: {', '.join(n for n, p in found.items() if p is None)} is nobody"
    elif len(set(found.values())) > 1:
        groups: dict[Any, list[str]] = {}
        for name, profile in found.items():
            groups.setdefault(profile, []).append(name)
        yield f"same_person: {' and '.join(shown(group) for group in groups.values())} are different people"


# --- exact lists


def _exactly(
    part: str, wanted: Sequence[MessageExpected] | None, lines_of: Callable[[], list[Line]], seen: Seen
) -> Iterator[str]:
    """Compare an exact list: one entry a line, in order of time, then person, then step."""
    if wanted is None:
        return
    lines = lines_of()
    orders = [sorted(lines, key=order) for order in seen.orders()]
    if any(_all_match(wanted, ordered, seen) for ordered in orders):
        return
    yield "\n".join(_difference(part, wanted, orders[0], seen))


def _all_match(wanted: Sequence[MessageExpected], lines: Sequence[Line], seen: Seen) -> bool:
    return len(wanted) == len(lines) and all(
        not _mismatches(entry, line, seen) for entry, line in zip(wanted, lines, strict=True)
    )


def _mismatches(entry: MessageExpected, line: Line, seen: Seen) -> list[str]:
    """Return the keys of an expected entry that a line does not match."""
    return [
        key for key in sorted(entry.model_fields_set) if not _matches(key, getattr(entry, key), line, seen)
    ]


def _matches(key: str, wanted: Any, line: Line, seen: Seen) -> bool:
    got = line.values.get(key)
    match key:
        case "contains":
            return wanted is None or str(wanted) in line.text
        case "to":
            return wanted is None or (got is not None and got == seen.profile_id(str(wanted)))
        case "body" | "subject":
            return (wanted is None and got is None) or (
                wanted is not None and got is not None and str(wanted).rstrip() == str(got).rstrip()
            )
        case "at":
            return bool(wanted == got)
        case _:
            return (wanted is None and got is None) or (wanted is not None and str(wanted) == str(got))


def _difference(
    part: str, wanted: Sequence[MessageExpected], lines: Sequence[Line], seen: Seen
) -> Iterator[str]:
    wrong_ones = sum(bool(_mismatches(entry, line, seen)) for entry, line in zip(wanted, lines, strict=False))
    if len(wanted) == len(lines):
        yield f"{part}: {wrong_ones} of {len(lines)} not as expected (they stand in order of time, person, step)"
    else:
        yield f"{part}: expected {len(wanted)}, got {len(lines)}"
    keys = {key for entry in wanted for key in entry.model_fields_set} | {"to", "at", "step"}
    for number in range(min(max(len(wanted), len(lines)), MAX_SHOWN)):
        entry = wanted[number] if number < len(wanted) else None
        line = lines[number] if number < len(lines) else None
        if entry is not None and line is not None:
            wrong = _mismatches(entry, line, seen)
            if not wrong:
                yield f"    {number + 1}. {_entry(entry, seen)}"
                continue
            yield f"  - {number + 1}. {_entry(entry, seen)}"
            yield f"  + {number + 1}. {_actual(line, keys, seen)}   (differs in {', '.join(wrong)})"
        elif entry is not None:
            yield f"  - {number + 1}. {_entry(entry, seen)}   (missing)"
        elif line is not None:
            yield f"  + {number + 1}. {_actual(line, keys, seen)}   (not expected)"
    hidden = max(len(wanted), len(lines)) - MAX_SHOWN
    if hidden > 0:
        yield f"    … and {hidden} more"


def _entry(entry: MessageExpected, seen: Seen) -> str:
    told = {key: getattr(entry, key) for key in type(entry).model_fields if key in entry.model_fields_set}
    return shown({key: _told(value, seen) for key, value in told.items()})


def _actual(line: Line, keys: set[str], seen: Seen) -> str:
    values = {key: value for key, value in line.values.items() if key in keys}
    values["to"] = seen.names.get(line.values["to"], line.values["to"])
    if "contains" in keys:
        values["text"] = line.text.strip()
    return shown({key: _told(value, seen) for key, value in values.items()})


def _told(value: Any, seen: Seen) -> Any:
    if isinstance(value, datetime):
        return as_offset(value, seen.stage.start)
    if isinstance(value, str) and len(value) > 200:
        return value[:200] + "…"
    return value
