"""The timeline: however three lists interleave, its pages together tell each line once, newest first."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engage.console.timeline import Entry, read_timeline
from engage.domain.decision import Decided
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.ids import DeliveryId, uuid7
from engage.domain.profile.sensitive import Sensitive
from engage.domain.turn.changes import Changes
from engage.storage.memory.reading import MemoryReading
from engage.storage.memory.store import MemoryStore
from tests.console.shop import ADA, NOON, decided, event

MOMENTS = st.lists(st.integers(0, 12), max_size=14)


def delivery(number: int, hours: int) -> Delivery:
    """Return a delivery that was asked for at this hour."""
    made = Delivery(
        id=DeliveryId(uuid7(NOON, str(number))),
        profile=ADA,
        lane=3,
        channel=Channel.SMS,
        topic=None,
        template=f"t{number}",
        asked_at=NOON + timedelta(hours=hours),
        due_at=None,
    )
    made.add(Mark.DELIVERED)
    return made


def whole(reading: MemoryReading, ahead: int) -> list[Entry]:
    """Read the timeline to its end."""
    found: list[Entry] = []
    after: str | None = None
    for _ in range(100):
        page = read_timeline(reading, ADA, "all", after, Sensitive(()), ahead)
        found += page.entries
        after = page.next
        if after is None:
            return found
    raise AssertionError("it has no end")


@given(deliveries=MOMENTS, decisions=MOMENTS, events=MOMENTS, read=st.integers(1, 5))
def test_every_line_is_told_once_and_in_order(
    deliveries: list[int], decisions: list[int], events: list[int], read: int
) -> None:
    store = MemoryStore()
    made: dict[Any, Delivery] = {
        one.id: one for one in (delivery(number, hours) for number, hours in enumerate(deliveries))
    }
    changes = Changes(
        deliveries=made,
        decisions=[
            decided(Decided.STEP, f"d{number}", hours, step="s") for number, hours in enumerate(decisions)
        ],
        events=[event(f"e{number}", hours) for number, hours in enumerate(events)],
    )
    with store.transaction() as tx:
        tx.write(changes)

    found = whole(MemoryReading(store), read)

    expected = [f"SMS t{number} delivered" for number in range(len(deliveries))]
    expected += [f"abandoned-cart, s: d{number}" for number in range(len(decisions))]
    expected += [f"e{number}" for number in range(len(events))]
    assert sorted(entry.sentence for entry in found) == sorted(expected)
    assert [entry.at for entry in found] == sorted((entry.at for entry in found), reverse=True)
