"""The table of destinations, and what a `sync` step sends to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engage.destinations.segment_http import SegmentHttp
from engage.domain.delivery.delivery import FailReason
from engage.domain.outgoing import call, personas
from engage.ports.channel import Answer, NotTaken, Outbound, Question, Rejected, SyncContent
from engage.ports.clock import Clock
from engage.ports.destination import Destinations


def build_destinations(addresses: Mapping[str, str], keys: tuple[str, ...]) -> dict[str, SegmentHttp]:
    """Return the destinations by name.

    Raises:
        UnusableAddressError: an address is none.
    """
    return {name: SegmentHttp(name, address, keys) for name, address in addresses.items()}


class SyncSender:
    """Implements `ports.channel.Sender` for `sync` steps: the profile, and what the step says beside it."""

    provider = "destination"

    def __init__(self, destinations: Destinations, clock: Clock) -> None:
        """Send to these."""
        self._destinations, self._clock = destinations, clock

    def send(self, outbound: Outbound) -> Answer:
        """Tell one destination about one person."""
        content = outbound.content
        assert isinstance(content, SyncContent)  # what the engine makes for this channel
        destination = self._destinations.get(content.destination)
        if destination is None:
            name = content.destination.upper().replace("-", "_")
            return Rejected(
                reason=FailReason.CONFIG,
                code="no_destination",
                detail=f"set ENGAGE_DESTINATION_{name} to its address",
            )
        key = str(outbound.delivery)
        return destination.take(calls_of(content, key, self._clock.now()), key)

    def ask(self, question: Question) -> NotTaken:
        """Say that it may be told again: the calls carry the same ids."""
        del question
        return NotTaken()


def calls_of(content: SyncContent, key: str, at: datetime) -> list[dict[str, Any]]:
    """Return an `identify` with the profile's traits; with values, a `track` beside it, named by `event` or by the step."""
    place = f"{content.journey}__{content.step}"
    context = {"context": {"personas": personas("journey_step", place)}} if content.journey else {}
    integrations = {"integrations": {"All": False, content.destination: True}}
    who = {**content.identifiers}
    found = [
        call("identify", f"{key}/identify", at, who, traits=dict(content.traits), **integrations, **context)
    ]
    if content.values:
        values = dict(content.values)
        event = values.pop("event", None) or content.step or "Synced"
        metadata = {"journey_metadata": {"journey_id": content.journey, "epoch_id": content.run}}
        properties = {**values, **(metadata if content.journey else {})}
        found.append(
            call(
                "track",
                f"{key}/track",
                at,
                who,
                event=str(event),
                properties=properties,
                **integrations,
                **context,
            )
        )
    return found
