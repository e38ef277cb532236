"""What is live does not change under a turn that decides by it: no run is left on a version that nobody pinned."""

from threading import Thread

import pytest

from engage.storage.postgres import PostgresStore

pytestmark = pytest.mark.live


def test_a_change_waits_for_the_turns_that_decide_by_what_was_live_before(
    postgres_store: PostgresStore,
) -> None:
    def change() -> None:
        with postgres_store.transaction() as tx:
            tx.definitions.set_state("journey", "j", "paused")

    publisher = Thread(target=change)
    with postgres_store.transaction() as first, postgres_store.transaction() as second:
        first.definitions.hold()
        second.definitions.hold()
        publisher.start()
        publisher.join(0.3)
        waited = publisher.is_alive()
        before = first.definitions.epoch()
    publisher.join(10)

    with postgres_store.transaction() as tx:
        assert (waited, before, tx.definitions.epoch()) == (True, 0, 1)
