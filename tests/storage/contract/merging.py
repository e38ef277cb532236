"""What every store promises about merges and about the names of workers."""

import pytest

from engage.domain.consent.consent import ConsentState
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Mark, Priority
from engage.domain.fact import Identifier
from engage.domain.ids import first_id
from engage.domain.turn.changes import Changes, MembershipChange, ReceiptRow, TimerKind
from engage.ports.storage import Job, StorageBusyError, Store
from tests.storage.contract.consents import consent
from tests.storage.contract.given import (
    NOON,
    at,
    delivery,
    delivery_id,
    email,
    event,
    people,
    profile,
    profile_id,
    run,
    run_id,
    runs,
    save,
    timer,
    timers,
    write,
)

ADA, BOB = profile_id("ada"), profile_id("bob")


def merge(store: Store, *pairs: tuple[str, str], **more: object) -> None:
    """Merge people, in a transaction of its own."""
    merges = [(profile_id(lost), profile_id(kept)) for lost, kept in pairs]
    write(store, Changes(merges=merges, **more))  # type: ignore[arg-type]  # short form for tests


class MergeContract:
    """Everything a lost profile had is the kept one's."""

    def test_the_lost_profile_is_gone_and_its_identifiers_are_the_kept_one_s(self, store: Store) -> None:
        write(store, people("ada", "bob"))
        write(store, Changes(identifiers=[(Identifier("user_id", "u"), ADA)]))

        merge(store, ("bob", "ada"))

        with store.transaction() as tx:
            assert tx.people.find([email("bob")]) == {email("bob"): ADA}
            found = tx.people.lock([ADA, BOB])
        assert set(found) == {ADA}
        assert found[ADA].identifiers == [email("ada"), email("bob"), Identifier("user_id", "u")]

    def test_events_and_audiences_are_united(self, store: Store) -> None:
        def member(who: str, audience: str) -> MembershipChange:
            return MembershipChange(profile=profile_id(who), audience=audience, member=True, at=NOON)

        write(store, people("ada", "bob"))
        write(
            store,
            Changes(
                events=[
                    event("bob", "A", 1),
                    event("ada", "A", 2),
                    event("bob", "A", 3, id="ada-A-2", timestamp=at(2)),
                ],
                memberships=[member("ada", "vip"), member("bob", "vip"), member("bob", "new")],
            ),
        )

        merge(store, ("bob", "ada"))

        with store.transaction() as tx:
            history = tx.events.history([ADA, BOB], {"A": None})
            assert [(one.profile, one.timestamp) for one in history[ADA]] == [(ADA, at(1)), (ADA, at(2))]
            assert history[BOB] == []
            assert tx.people.memberships([ADA, BOB]) == {ADA: {"vip", "new"}, BOB: set()}

    def test_runs_move_and_say_so_themselves(self, store: Store) -> None:
        write(store, people("ada", "bob"))
        write(store, runs(run("bob", "r1", journey="a"), run("bob", "r2", journey="b", ended_at=at(1))))

        merge(store, ("bob", "ada"))

        with store.transaction() as tx:
            (moved,) = tx.runs.open([ADA], NOON)[ADA]
            assert (moved.id, moved.profile) == (run_id("r1"), ADA)
            assert tx.runs.open([BOB], NOON)[BOB] == []
            assert {journey for _, journey in tx.runs.entries([ADA, BOB], ["a", "b"])} == {"a", "b"}

    def test_of_two_active_runs_of_one_key_the_ended_one_makes_room(self, store: Store) -> None:
        write(store, people("ada", "bob"))
        write(store, runs(run("ada", "kept", entered_at=at(5)), run("bob", "earlier", entered_at=at(1))))
        ended = run("ada", "kept", entered_at=at(5), ended_at=at(9), reason="merged")

        merge(store, ("bob", "ada"), runs={ended.id: ended})

        with store.transaction() as tx:
            (active,) = tx.runs.open([ADA], at(9))[ADA]
            assert active.id == run_id("earlier")

    def test_timers_move_to_the_kept_profile_s_lane_and_the_earlier_wins(self, store: Store) -> None:
        audience = TimerKind.AUDIENCE
        write(
            store,
            Changes(profiles={ADA: profile("ada", lane=1), BOB: profile("bob", lane=2)}),
        )
        write(
            store,
            timers(
                timer("ada", "vip", 9, lane=1, kind=audience),
                timer("bob", "vip", 5, lane=2, kind=audience),
                timer("ada", "new", 3, lane=1, kind=audience),
                timer("bob", "new", 4, lane=2, kind=audience),
                timer("bob", run_id("r"), 7, lane=2),
            ),
        )

        merge(store, ("bob", "ada"))

        with store.transaction() as tx:
            assert tx.runs.timers([ADA, BOB]) == [
                timer("ada", "new", 3, lane=1, kind=audience),
                timer("ada", "vip", 5, lane=1, kind=audience),
                timer("ada", run_id("r"), 7, lane=1),
            ]

    def test_deliveries_and_caps_move(self, store: Store) -> None:
        write(store, Changes(profiles={ADA: profile("ada", lane=1), BOB: profile("bob", lane=2)}))
        waiting = delivery("bob", "d", Mark.QUEUED, lane=2)
        taken = delivery("bob", "e", Mark.ACCEPTED, accepted_at=at(1))
        receipt = ReceiptRow(delivery=taken.id, profile=BOB, receipt_id="1", mark=Mark.OPENED, at=NOON)
        write(store, Changes(deliveries={waiting.id: waiting, taken.id: taken}, receipts=[receipt]))

        merge(store, ("bob", "ada"))

        with store.transaction() as tx:
            assert tx.deliveries.candidates(Channel.SMS, Priority.LIVE, NOON, 9) == [(waiting.id, ADA)]
            moved = tx.deliveries.get([waiting.id])[waiting.id]
            assert (moved.profile, moved.lane) == (ADA, 1)
            assert tx.deliveries.accepted_since([ADA, BOB], NOON) == {
                ADA: [(Channel.SMS, "news", at(1))],
                BOB: [],
            }

    @pytest.mark.parametrize(
        ("kept", "lost", "after"),
        [
            (ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED, ConsentState.UNSUBSCRIBED),
            (ConsentState.UNSUBSCRIBED, ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED),
            (ConsentState.SUBSCRIBED, ConsentState.PENDING, ConsentState.PENDING),
            (ConsentState.UNSUBSCRIBED, ConsentState.PENDING, ConsentState.UNSUBSCRIBED),
            (None, ConsentState.SUBSCRIBED, ConsentState.SUBSCRIBED),
        ],
    )
    def test_of_two_consents_the_stricter_holds(
        self, store: Store, kept: ConsentState | None, lost: ConsentState, after: ConsentState
    ) -> None:
        write(store, people("ada", "bob"))
        entries = [consent(lost, 1, address=None, profile=BOB)]
        if kept is not None:
            entries.append(consent(kept, 2, address=None, profile=ADA))
        write(store, Changes(consents=entries))

        merge(store, ("bob", "ada"))

        with store.transaction() as tx:
            views = tx.consents.view([ADA, BOB], {})
        assert views[ADA].by_profile == {("sms", "news"): after}
        assert views[BOB].by_profile == {}

    def test_a_chain_of_merges_ends_at_its_last_profile(self, store: Store) -> None:
        write(store, people("ada", "bob", "cyd"))
        write(store, timers(timer("cyd", "r", 1), timer("bob", "s", 2)))

        merge(store, ("cyd", "bob"), ("bob", "ada"))

        with store.transaction() as tx:
            found = tx.people.find([email("ada"), email("bob"), email("cyd")])
            assert set(found.values()) == {ADA}
            assert [one.profile for one in tx.runs.timers([ADA])] == [ADA, ADA]

    def test_two_lost_profiles_may_collide_with_each_other(self, store: Store) -> None:
        write(store, people("ada", "bob", "cyd"))
        write(store, timers(timer("cyd", "vip", 1), timer("bob", "vip", 2)))
        states = [(ConsentState.SUBSCRIBED, "bob"), (ConsentState.UNSUBSCRIBED, "cyd")]
        write(
            store,
            Changes(
                consents=[consent(state, address=None, profile=profile_id(who)) for state, who in states],
                memberships=[
                    MembershipChange(profile=profile_id(who), audience="vip", member=True, at=NOON)
                    for who in ("bob", "cyd")
                ],
            ),
        )

        merge(store, ("cyd", "ada"), ("bob", "ada"))

        with store.transaction() as tx:
            assert tx.runs.timers([ADA]) == [timer("ada", "vip", 1)]
            assert tx.people.memberships([ADA]) == {ADA: {"vip"}}
            assert list(tx.consents.view([ADA], {})[ADA].by_profile.values()) == [ConsentState.UNSUBSCRIBED]

    def test_a_profile_may_be_lost_that_was_never_stored(self, store: Store) -> None:
        write(store, people("ada"))

        merge(
            store,
            ("bob", "ada"),
            decisions=[Decision(profile=ADA, at=NOON, kind=Decided.IDENTITY, outcome="merged")],
        )

        with store.transaction() as tx:
            assert set(tx.people.lock([ADA, BOB])) == {ADA}

    def test_a_turn_may_merge_into_a_profile_it_creates_and_write_on(self, store: Store) -> None:
        write(store, people("bob"))
        write(store, timers(timer("bob", "a", 1), timer("bob", "b", 2)))

        merge(
            store,
            ("bob", "ada"),
            profiles={ADA: profile("ada", lane=3, traits={"n": 1})},
            timers=timers(timer("ada", "a", 8, lane=3), timer("ada", "b", None)).timers,
        )

        with store.transaction() as tx:
            assert tx.people.lock([ADA])[ADA].traits == {"n": 1}
            assert tx.runs.timers([ADA, BOB]) == [timer("ada", "a", 8, lane=3)]
            assert tx.deliveries.get([delivery_id("none")]) == {}


class JobsContract:
    """Long work is taken up by one at a time, where it stood."""

    def test_deliveries_are_gone_through_in_the_order_of_their_ids(self, store: Store) -> None:
        made = [
            delivery("ada", "a", Mark.ACCEPTED, accepted_at=at(1)),
            delivery("ada", "b", Mark.DELIVERED, accepted_at=at(2), channel=Channel.VOICE),
            delivery("bob", "c", Mark.QUEUED),
            delivery("bob", "d", Mark.SKIPPED),
        ]
        save(store, *made)
        rows = sorted((one.id, one.channel, one.status, one.accepted_at) for one in made)
        first, last = first_id(NOON), first_id(at(1))

        with store.transaction() as tx:
            assert tx.deliveries.between(first, last, 9) == rows
            assert tx.deliveries.between(first, last, 2) == rows[:2]
            assert tx.deliveries.between(rows[0][0], rows[3][0], 9) == rows[1:3]
            assert tx.deliveries.between(first_id(at(-1)), first, 9) == []

    def test_a_job_is_taken_up_where_it_stood(self, store: Store) -> None:
        job = Job(name="b", kind="backfill", data={"rules": [1]}, total=10)
        with store.transaction() as tx:
            assert tx.jobs.lock("b") is None
            tx.jobs.save(job)
        with store.transaction() as tx:
            assert tx.jobs.lock("b") == job
            job.cursor, job.done = "x", 5
            tx.jobs.save(job)

        with store.transaction() as tx:
            assert tx.jobs.lock("b") == job

    def test_a_job_is_kept_from_others_until_the_commit(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.jobs.save(Job(name="b", kind="backfill"))

        with store.transaction() as one, store.transaction() as two:
            assert one.jobs.lock("b") is not None
            assert two.jobs.lock("b") is None

        with store.transaction() as three:
            assert three.jobs.lock("b") is not None

    def test_unfinished_jobs_come_oldest_first(self, store: Store) -> None:
        with store.transaction() as tx:
            for name in ("c", "a", "b"):
                tx.jobs.save(Job(name=name, kind="backfill"))
        with store.transaction() as tx:
            tx.jobs.save(Job(name="a", kind="backfill", finished_at=NOON))
            tx.jobs.save(Job(name="c", kind="backfill", done=1))

        with store.transaction() as tx:
            assert [job.name for job in tx.jobs.unfinished()] == ["c", "b"]

    def test_jobs_that_set_people_aside_are_told_when_they_are_over_too(self, store: Store) -> None:
        with store.transaction() as tx:
            for name in ("a", "b", "c", "d"):
                tx.jobs.save(Job(name=name, kind="backfill", data={} if name == "b" else {"aside": 2}))
            tx.jobs.save(Job(name="c", kind="backfill", data={"aside": 3}, finished_at=NOON))

        with store.transaction() as tx:
            found = tx.jobs.with_people_aside(2)

        assert [(job.name, job.data["aside"]) for job in found] == [("d", 2), ("c", 3)]


class WorkersContract:
    """Whether a worker lives is known without asking it."""

    def test_a_worker_is_alive_while_it_holds_its_name(self, store: Store) -> None:
        assert not store.worker_alive("w1")

        with store.hold_worker_lock("w1"):
            assert store.worker_alive("w1")
            assert not store.worker_alive("w2")

        assert not store.worker_alive("w1")

    def test_a_name_is_held_by_one(self, store: Store) -> None:
        with store.hold_worker_lock("w1"):
            with pytest.raises(StorageBusyError), store.hold_worker_lock("w1"):
                pass
            assert store.worker_alive("w1")

    def test_a_worker_that_fails_lets_go(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.hold_worker_lock("w1"):
            raise ZeroDivisionError

        assert not store.worker_alive("w1")
