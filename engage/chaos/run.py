"""Run: load and kills, then good weather until all is at rest, then the verdict."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engage.chaos.actors import Actors
from engage.chaos.installation import Installation, installation
from engage.chaos.killer import Killer
from engage.chaos.story import DELIVERIES_A_PERSON, FAULTS, LANTERN, sources
from engage.chaos.verdict import Verdict, judge
from engage.cli.client import Client, ClientError
from engage.ports.storage import StorageAwayError
from engage.storage.postgres.store import PostgresStore

SECONDS_A_KILL = 3.0
"""A process needs about this long until it works again; the next one is killed then."""
LEAST_SECONDS = 20.0
DRAIN_SECONDS = 900.0
LANTERN_SECONDS = 10.0
HEAL_SECONDS = 0.5

_WAITING = """
SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM delivery WHERE status IN ('queued', 'held', 'sending', 'unknown')),
    (SELECT count(*) FROM run WHERE ended_at IS NULL)
"""

COPIES = {"worker-engine": 2, "worker-deliver": 2, "beat": 2}
STREAM_WINDOW_SECONDS = 90
"""How late an event of a mail may be behind those of later ones: the API is killed, and what it missed comes again."""
VARIABLES = {"ENGAGE_LOG_LEVEL": "ERROR", "ENGAGE_STREAM_WINDOW": str(STREAM_WINDOW_SECONDS)}
HANG_SECONDS = 20.0
"""Longer than our time-out: a hanging call ends without an answer."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How much of it."""

    deliveries: int
    kills: int
    seed: int
    minutes: float | None = None
    """How long load and kills go on; None: as long as that many kills need."""

    @property
    def seconds(self) -> float:
        """Return how long load and kills go on."""
        if self.minutes is not None:
            return self.minutes * 60
        return max(LEAST_SECONDS, self.kills * SECONDS_A_KILL)


def run(wish: Wish, data_dir: Path, say: Say) -> tuple[Verdict, list[str]]:
    """Do it all and return the verdict, with every broken promise in words."""
    people = math.ceil(wish.deliveries / DELIVERIES_A_PERSON)
    shutil.rmtree(data_dir, ignore_errors=True)
    with installation(data_dir, copies=COPIES, variables=VARIABLES, hang_seconds=HANG_SECONDS) as place:
        place.publish(*sources())
        say(f"up; {people} people order within {wish.seconds:.0f} s, {wish.kills} kills meanwhile")
        with place.sandbox() as sandbox:
            sandbox.call("POST", "/_sandbox/faults", FAULTS)
        actors = Actors(place, people, wish.seconds, wish.seed)
        killer = Killer(place, wish.seed)
        actors.start()
        _storm(place, actors, killer, wish, say)
        with place.sandbox() as sandbox:
            sandbox.call("POST", "/_sandbox/faults", [])
        say(f"{killer.kills.total()} kills: {_listed(killer)}; now everything may come to rest")
        _drain(place, say)
        return judge(place, actors.told, actors.noes, killer.kills.total())


def _storm(place: Installation, actors: Actors, killer: Killer, wish: Wish, say: Say) -> None:
    """Kill as often as wished while people act; end when both are done."""
    began = time.monotonic()
    while killer.kills.total() < wish.kills or not actors.done or killer.pauses:
        due = began + wish.seconds * (killer.kills.total() + 1) / (wish.kills + 1)
        if killer.kills.total() < wish.kills and time.monotonic() >= due:
            say(f"kill {killer.kills.total() + 1}: {killer.kill()}")
        killer.wake()
        place.heal()
        time.sleep(HEAL_SECONDS)


def _listed(killer: Killer) -> str:
    return ", ".join(f"{label} {times}" for label, times in sorted(killer.kills.items()))


def _drain(place: Installation, say: Say) -> None:
    """Wait until nothing waits any more; light a lantern now and then, so that a silent event stream is told from a lost mail."""
    deadline, lit = time.monotonic() + DRAIN_SECONDS, -LANTERN_SECONDS
    store = PostgresStore(place.services.database_url, min_size=1, max_size=1)
    before = None
    try:
        with place.api() as api:
            while time.monotonic() < deadline:
                place.heal()
                waiting = _waiting(store)
                if waiting == (0, 0, 0):
                    return
                if waiting != before:
                    say("undigested {}, deliveries under way {}, runs {}".format(*waiting))
                    before = waiting
                if time.monotonic() > lit + LANTERN_SECONDS and waiting[1]:
                    _light(api)
                    lit = time.monotonic()
                time.sleep(1)
    finally:
        store.close()


def _waiting(store: PostgresStore) -> tuple[int, int, int]:
    try:
        with store.session() as session:
            (row,) = session.rows(_WAITING)
    except StorageAwayError:
        return (-1, -1, -1)
    return int(row[0]), int(row[1]), int(row[2])


def _light(api: Client) -> None:
    body = {"to": LANTERN, "channel": "email", "text": "Still here", "topic": "orders"}
    try:
        api.call("POST", "/v1/deliveries", body, timeout=5)
    except ClientError:
        return  # it is about to come back
