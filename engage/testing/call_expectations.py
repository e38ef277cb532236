"""Expectations about calls to other systems: exact lists, each entry by the keys it gives."""

from collections.abc import Iterator, Sequence
from typing import Any

from engage.domain.delivery.delivery import Channel, Delivery
from engage.project.scenario import CallExpected
from engage.project.scenario.values import moment
from engage.testing.moments import as_offset
from engage.testing.scripted_calls import CallTaken
from engage.testing.seen import Seen
from engage.testing.values import same, shown


def calls_differ(
    part: str, channel: Channel, wanted: Sequence[CallExpected] | None, seen: Seen
) -> Iterator[str]:
    """Yield in what an exact list of calls differs from what the other end took."""
    if wanted is None:
        return
    calls = seen.calls(channel)
    fits = len(wanted) == len(calls) and all(
        _matches(entry.keys, delivery, call, seen)
        for entry, (delivery, call) in zip(wanted, calls, strict=True)
    )
    if fits:
        return
    lines = [f"{part}: expected {len(wanted)}, got {len(calls)}"]
    lines += [f"  - {shown(entry.keys)}" for entry in wanted]
    lines += [f"  + {shown(_known(delivery, call, seen))}" for delivery, call in calls]
    yield "\n".join(lines)


def _known(delivery: Delivery, call: CallTaken, seen: Seen) -> dict[str, Any]:
    about = {
        "person": seen.names.get(delivery.profile, delivery.profile),
        "step": delivery.step,
        "journey": delivery.journey,
        "at": as_offset(call.at, seen.stage.start),
    }
    return {**call.told, **about}


def _matches(keys: dict[str, Any], delivery: Delivery, call: CallTaken, seen: Seen) -> bool:
    return all(_key_matches(key, value, delivery, call, seen) for key, value in keys.items())


def _key_matches(key: str, wanted: Any, delivery: Delivery, call: CallTaken, seen: Seen) -> bool:
    known = _known(delivery, call, seen)
    match key:
        case "at":
            return moment(wanted, seen.stage.start) == call.at
        case "to":
            return same(wanted, known.get("to")) or seen.profile_id(str(wanted)) == delivery.profile
        case "headers":
            return isinstance(wanted, dict) and all(
                same(value, known.get("headers", {}).get(name)) for name, value in wanted.items()
            )
        case "step":
            return str(wanted) == str(delivery.step)
        case _:
            return same(wanted, known.get(key))
