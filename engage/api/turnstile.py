"""The turnstile: requests are read a few at a time, so that the loop comes round to everybody however many want in at once."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from engage.api.microbatch import MAX_WAITING_BYTES, TOO_LATE_SECONDS, WAIT_SECONDS, OverloadedError

SLICE_SECONDS = 0.02
"""Reading in one round of the loop: a batch of a hundred events takes three milliseconds, and hundreds may come at once."""
LEAST_SECONDS = 0.0001
"""What one takes at least, its answer included."""
RETRY_AFTER = 2
"""Whole seconds; who is in line now is through by then."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    since: float
    """On the monotonic clock."""
    size: int
    turn: "asyncio.Future[None]"


class Turnstile:
    """Lets in whoever comes, at once as long as there is time in this round of the loop, else in line, oldest first.

    Without it five hundred batches that arrive together are read one behind the other, and all that time nobody else is
    heard: no refusal, no webhook, no code that somebody waits for.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self._line: deque[_Waiting] = deque()
        self._bytes = 0
        self._spent = 0.0
        """Seconds of reading in this round of the loop."""
        self._each = 0.0
        """Seconds that one takes, as lately seen."""
        self._ticking = False

    async def enter(self, size: int) -> float:
        """Return, when it is this request's turn, the instant to give to `leave`; its body has `size` bytes.

        Raises:
            OverloadedError: those in line have waited too long already, or bring too much.
        """
        now = time.monotonic()
        if not self._line and self._spent < SLICE_SECONDS:
            return now
        if self._line and (
            now - self._line[0].since > WAIT_SECONDS or self._bytes + size > MAX_WAITING_BYTES
        ):
            raise OverloadedError(RETRY_AFTER)
        waiting = _Waiting(now, size, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._bytes += size
        await waiting.turn
        return time.monotonic()

    def leave(self, entered: float) -> None:
        """Say that a request has been read."""
        seconds = time.monotonic() - entered
        self._spent += seconds
        self._each += (0.1 if self._each else 1.0) * (seconds - self._each)
        self._come_round()

    def _come_round(self) -> None:
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        """Begin another round: let in as many as fit, turn away who has waited too long."""
        self._ticking, self._spent = False, 0.0
        too_late, room = time.monotonic() - TOO_LATE_SECONDS, SLICE_SECONDS
        while self._line and room > 0:
            waiting = self._line.popleft()
            self._bytes -= waiting.size
            if waiting.turn.done():
                continue
            if waiting.since < too_late:
                waiting.turn.set_exception(OverloadedError(RETRY_AFTER))
                continue
            waiting.turn.set_result(None)
            room -= max(self._each, LEAST_SECONDS)
        if self._line:
            self._come_round()
