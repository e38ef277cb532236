"""What every store promises to faces about one person."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from engage.domain.consent.consent import ConsentState, SuppressionEntry
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Mark
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.turn.changes import Changes, MembershipChange, Origin, ReceiptRow
from engage.ports.reading import (
    CursorError,
    Membership,
    Page,
    Reading,
    Subscription,
    Suppression,
)
from engage.ports.storage import Store
from tests.storage.contract.consents import ADDRESS, consent, suppression
from tests.storage.contract.given import (
    NOON,
    at,
    delivery,
    email,
    event,
    fact,
    people,
    profile,
    profile_id,
    run,
    run_id,
    save,
    write,
)

Item = TypeVar("Item")
ADA, BOB = profile_id("ada"), profile_id("bob")


def paged(read: Callable[[str | None, int], Page[Item]], size: int) -> list[Item]:
    """Return a whole list, read in pages of `size`."""
    page = read(None, size)
    found = list(page.items)
    while page.next is not None:
        assert len(page.items) == size
        page = read(page.next, size)
        found += page.items
    return found


def decision(after: float, outcome: str = "sent") -> Decision:
    """Return a decision about Ada."""
    return Decision(
        profile=ADA, at=at(after), kind=Decided.STEP, outcome=outcome, run=run_id("r"), values={"total": 1}
    )


class PersonReadingContract:
    """One person's page."""

    def test_identifiers_say_since_when_and_by_which_message_also_after_a_merge(
        self, store: Store, reading: Reading
    ) -> None:
        told, untold = Identifier("user_id", "u"), Identifier("anonymous_id", "a")
        write(store, people("ada", "bob"))
        named = [(told, BOB), (untold, BOB)]
        write(store, Changes(identifiers=named, origins={told: Origin(at(1), "m1")}))
        write(store, Changes(identifiers=named, origins={told: Origin(at(2), "m2")}))

        write(store, Changes(merges=[(BOB, ADA)]))

        assert reading.origins(ADA) == {told: Origin(at(1), "m1")}
        assert reading.origins(BOB) == {}

    def test_a_message_that_is_known_again_says_by_which_source_it_came(
        self, store: Store, reading: Reading
    ) -> None:
        facts = [fact("m1", source="key:a"), fact("m2", source="key:b")]
        with store.transaction() as tx:
            tx.inbox.add(facts)

        assert reading.sources(["m1", "m2", "m3"], ["key:a", "key:b", "key:c"]) == {
            "m1": "key:a",
            "m2": "key:b",
        }
        assert reading.sources(["m1", "m2"], ["key:b"]) == {"m2": "key:b"}
        assert reading.sources([], ["key:a"]) == {}

    def test_a_person_is_found_with_everything_that_belongs_to_them(
        self, store: Store, reading: Reading
    ) -> None:
        ada = profile("ada", traits={"n": 1})
        write(store, Changes(profiles={ADA: ada}, identifiers=[(email("ada"), ADA)]))
        ada.identifiers = [email("ada")]

        assert reading.find(email("ada")) == ADA
        assert reading.profile(ADA) == ada
        assert reading.find(email("bob")) is None
        assert reading.profile(BOB) is None

    def test_a_merged_profile_leads_to_the_one_that_is_left(self, store: Store, reading: Reading) -> None:
        write(store, people("ada", "bob", "cyd"))
        write(store, Changes(merges=[(profile_id("cyd"), BOB)]))
        write(store, Changes(merges=[(BOB, ADA)]))

        assert [reading.survivor(profile_id(name)) for name in ("ada", "bob", "cyd")] == [ADA] * 3

    def test_audiences_and_their_members(self, store: Store, reading: Reading) -> None:
        write(store, people("ada", "bob"))
        members = [("vip", ADA, 1), ("new", ADA, 2), ("vip", BOB, 3), ("vip", profile_id("nameless"), 4)]
        changes = [
            MembershipChange(profile=who, audience=audience, member=True, at=at(after))
            for audience, who, after in members
        ]
        write(store, Changes(memberships=changes))

        assert reading.audiences(ADA) == [
            Membership(audience="new", since=at(2)),
            Membership(audience="vip", since=at(1)),
        ]
        assert (reading.audience_size("vip"), reading.audience_size("none")) == (3, 0)
        names: dict[ProfileId, list[str]] = {
            member.profile: [name.value for name in member.identifiers]
            for member in paged(lambda after, limit: reading.members("vip", after, limit), 2)
        }
        assert names == {ADA: [email("ada").value], BOB: [email("bob").value], profile_id("nameless"): []}
        assert list(names) == sorted(names)

    def test_consents_and_suppressions_in_force(self, store: Store, reading: Reading) -> None:
        with store.transaction() as tx:
            tx.consents.append(
                [
                    consent(ConsentState.SUBSCRIBED, 1),
                    consent(ConsentState.UNSUBSCRIBED, 2, address=None, profile=ADA),
                    consent(ConsentState.PENDING, 3, address="+9"),
                ],
                [
                    suppression(1),
                    SuppressionEntry(
                        channel="sms", address="+9", reason="x", at=NOON, source="", lifted=True
                    ),
                ],
            )

        assert reading.consents(ADA, [ADDRESS]) == [
            Subscription(channel="sms", topic="news", state="unsubscribed", at=at(2), source="test"),
            Subscription(
                channel="sms", topic="news", state="subscribed", at=at(1), source="test", address=ADDRESS
            ),
        ]
        assert reading.consents(BOB) == []
        assert reading.suppressions([ADDRESS, "+9"]) == [
            Suppression(channel="sms", address=ADDRESS, reason="hard_bounce", at=at(1), source="test")
        ]

    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_lists_are_read_in_pages_newest_first(self, store: Store, reading: Reading, size: int) -> None:
        ended = [run("ada", f"r{n}", key=str(n), entered_at=at(n % 3), ended_at=at(9)) for n in range(5)]
        asked = [delivery("ada", f"d{n}", asked_at=at(n % 3)) for n in range(5)]
        happened = [event("ada", "A", n % 3, id=f"e{n}", arrival=n % 2) for n in range(5)]
        decided = [decision(n % 3, str(n)) for n in range(5)]
        write(store, Changes(events=happened, decisions=decided, runs={one.id: one for one in ended}))
        save(store, *asked, delivery("bob", "other"))

        entered = paged(lambda after, limit: reading.runs(ADA, after, limit), size)
        deliveries = paged(lambda after, limit: reading.deliveries(ADA, after, limit), size)
        events = paged(lambda after, limit: reading.events(ADA, after, limit), size)
        decisions = paged(lambda after, limit: reading.decisions(ADA, after, limit), size)

        assert entered == sorted(ended, key=lambda one: (one.entered_at, one.id), reverse=True)
        assert [one.delivery for one in deliveries] == sorted(
            asked, key=lambda one: (one.asked_at, one.id), reverse=True
        )
        assert events == sorted(happened, key=lambda one: (one.timestamp, one.arrival, one.id), reverse=True)
        assert [one.outcome for one in decisions] == ["2", "4", "1", "3", "0"]
        assert decisions[0] == decision(2, "2")

    def test_what_comes_in_meanwhile_does_not_shift_the_next_page(
        self, store: Store, reading: Reading
    ) -> None:
        write(store, Changes(decisions=[decision(n, str(n)) for n in range(3)]))
        first = reading.decisions(ADA, limit=2)

        write(store, Changes(decisions=[decision(9, "new")]))

        assert [one.outcome for one in reading.decisions(ADA, first.next, 2).items] == ["0"]

    def test_a_cursor_of_nobody_is_refused(self, reading: Reading) -> None:
        for nonsense in ("", "x", "2026-07-01~x", "2026-07-01T00:00:00+00:00~nonsense"):
            for read in (reading.runs, reading.deliveries, reading.events, reading.decisions):
                with pytest.raises(CursorError):
                    read(ADA, nonsense, 1)
            for listed in (reading.recent_deliveries, reading.unknown_deliveries, reading.quarantine):
                with pytest.raises(CursorError):
                    listed(nonsense, 1)

    def test_a_page_shows_what_a_merge_brought(self, store: Store, reading: Reading) -> None:
        write(store, people("ada", "bob"))
        sent = delivery("bob", "d", Mark.ACCEPTED)
        receipt = ReceiptRow(delivery=sent.id, profile=BOB, receipt_id="1", mark=Mark.OPENED, at=NOON)
        write(
            store,
            Changes(
                deliveries={sent.id: sent},
                receipts=[receipt],
                decisions=[Decision(profile=BOB, at=NOON, kind=Decided.SEND, outcome="sent")],
            ),
        )

        write(store, Changes(merges=[(BOB, ADA)]))

        (seen,) = reading.deliveries(ADA).items
        (decided,) = reading.decisions(ADA).items
        assert (seen.delivery.profile, seen.receipts[0].profile, decided.profile) == (ADA, ADA, ADA)
        assert reading.deliveries(BOB).items == []
