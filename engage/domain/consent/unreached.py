"""Unreached: an address that could not be reached several times in a row is given up, although none of the failures was final."""

from datetime import timedelta

from engage.domain.delivery.delivery import Delivery, Mark, reached
from engage.domain.turn.turn import Turn

IN_A_ROW = 3
LATELY = timedelta(days=90)
"""How far back the failures may lie."""
UNREACHABLE = "unreachable"
"""Why the address is suppressed."""
_FAILED = frozenset({Mark.FAILED, Mark.UNDELIVERED})


def is_given_up(turn: Turn, delivery: Delivery) -> bool:
    """Return whether this failure was one too many: the newest `IN_A_ROW` deliveries to its address all failed softly.

    What has not ended yet says nothing; one that was delivered begins the count anew.
    """
    address = delivery.address
    if address is None:
        return False
    known = {d.id: d for d in turn.lately.get((delivery.channel, address), ())}
    newest = [turn.deliveries.get(key, d) for key, d in known.items() if key != delivery.id]
    newest.append(delivery)
    newest.sort(key=lambda d: (d.accepted_at or d.asked_at, d.id), reverse=True)
    count = 0
    for one in newest:
        marks = reached(one.marks)
        if Mark.DELIVERED in marks:
            break
        if one.soft:
            count += 1
        elif not marks.isdisjoint(_FAILED):
            break
    return count >= IN_A_ROW
