"""What every store promises about consent, suppression and definitions."""

from threading import Thread

import pytest

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, Consents, ConsentState, SuppressionEntry
from engage.ports.storage import StorageRefusedError, Store
from tests.storage.contract.given import at, definition, profile_id

ADDRESS = "+15005550006"


def consent(state: ConsentState, after: float = 0, **fields: object) -> ConsentEntry:
    """Return a line of the ledger about one address."""
    values = {"channel": "sms", "topic": "news", "address": ADDRESS, "source": "test", **fields}
    return ConsentEntry(state=state, at=at(after), **values)  # type: ignore[arg-type]  # short form for tests


def suppression(after: float = 0, **fields: object) -> SuppressionEntry:
    """Return a suppression of one address."""
    values = {"channel": "sms", "address": ADDRESS, "reason": "hard_bounce", "source": "test", **fields}
    return SuppressionEntry(at=at(after), **values)  # type: ignore[arg-type]  # short form for tests


def view(store: Store, *addresses: tuple[str, str], name: str = "ada") -> Consents:
    """Return the present view for one person."""
    person = profile_id(name)
    with store.transaction() as tx:
        return tx.consents.view([person], {person: addresses})[person]


class ConsentContract:
    """Lines are appended; the newest of them is in force."""

    def test_a_yes_and_a_no_of_an_address(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.consents.append(
                [
                    consent(ConsentState.SUBSCRIBED),
                    consent(ConsentState.UNSUBSCRIBED, 1),
                    consent(ConsentState.PENDING, topic="offers"),
                    consent(ConsentState.SUBSCRIBED, channel="email", topic="news"),
                ]
            )

        assert view(store, ("sms", ADDRESS)) == Consents(
            by_address={
                ("sms", ADDRESS, "news"): ConsentState.UNSUBSCRIBED,
                ("sms", ADDRESS, "offers"): ConsentState.PENDING,
            }
        )

    def test_a_line_that_comes_late_does_not_undo_a_newer_one(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.consents.append([consent(ConsentState.UNSUBSCRIBED, 5)])
            tx.consents.append([consent(ConsentState.SUBSCRIBED, 4)])

        assert view(store, ("sms", ADDRESS)).by_address == {
            ("sms", ADDRESS, "news"): ConsentState.UNSUBSCRIBED
        }

    def test_of_two_lines_of_one_instant_the_last_is_in_force(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.consents.append([consent(ConsentState.UNSUBSCRIBED), consent(ConsentState.SUBSCRIBED)])
            tx.consents.append([consent(ConsentState.PENDING)])

        assert view(store, ("sms", ADDRESS)).by_address == {("sms", ADDRESS, "news"): ConsentState.PENDING}

    def test_mms_follows_sms(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.consents.append(
                [consent(ConsentState.UNSUBSCRIBED, channel="mms", topic=EVERY_TOPIC)],
                [suppression(channel="mms")],
            )

        seen = view(store, ("mms", ADDRESS))

        assert seen.by_address == {("sms", ADDRESS, EVERY_TOPIC): ConsentState.UNSUBSCRIBED}
        assert seen.suppressed == {("sms", ADDRESS): "hard_bounce"}

    def test_a_profile_s_consent_is_seen_without_any_address(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.consents.append(
                [
                    consent(ConsentState.SUBSCRIBED, address=None, profile=profile_id("ada")),
                    consent(ConsentState.UNSUBSCRIBED, profile=profile_id("bob")),
                ]
            )

        assert view(store) == Consents(by_profile={("sms", "news"): ConsentState.SUBSCRIBED})
        both = view(store, ("sms", ADDRESS), name="bob")
        assert both.by_profile == {("sms", "news"): ConsentState.UNSUBSCRIBED}
        assert both.by_address == {("sms", ADDRESS, "news"): ConsentState.UNSUBSCRIBED}

    def test_everybody_sees_their_own_addresses_only(self, store: Store) -> None:
        ada, bob = profile_id("ada"), profile_id("bob")
        with store.transaction() as tx:
            tx.consents.append(
                [consent(ConsentState.SUBSCRIBED), consent(ConsentState.PENDING, address="+2")],
                [suppression(), suppression(address="+2", reason="complaint")],
            )

        with store.transaction() as tx:
            seen = tx.consents.view(
                [ada, bob], {ada: [("sms", ADDRESS)], bob: [("sms", "+2"), ("email", ADDRESS)]}
            )
            nobody = tx.consents.view([], {})

        assert list(seen[ada].by_address) == [("sms", ADDRESS, "news")]
        assert list(seen[bob].by_address) == [("sms", "+2", "news")]
        assert seen[bob].suppressed == {("sms", "+2"): "complaint"}
        assert nobody == {}

    def test_a_suppression_is_lifted_by_a_newer_line(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.consents.append([], [suppression(5)])
            tx.consents.append([], [suppression(4, lifted=True)])
        assert view(store, ("sms", ADDRESS)).suppressed == {("sms", ADDRESS): "hard_bounce"}

        with store.transaction() as tx:
            tx.consents.append([], [suppression(6, lifted=True)])
        assert view(store, ("sms", ADDRESS)).suppressed == {}

    def test_a_no_is_seen_by_its_own_transaction_and_after_the_commit_by_all(self, store: Store) -> None:
        ada = profile_id("ada")

        with store.transaction() as one:
            one.consents.append([consent(ConsentState.UNSUBSCRIBED)])
            assert len(one.consents.view([ada], {ada: [("sms", ADDRESS)]})[ada].by_address) == 1
            assert view(store, ("sms", ADDRESS)).by_address == {}

        assert len(view(store, ("sms", ADDRESS)).by_address) == 1


class DefinitionsContract:
    """What is live changes in one step, and the epoch tells."""

    def test_publishing_makes_the_new_version_live(self, store: Store) -> None:
        with store.transaction() as tx:
            assert (tx.definitions.epoch(), tx.definitions.live()) == (0, [])
            first = tx.definitions.publish([definition(version=1), definition("vip", kind="audience")])
        with store.transaction() as tx:
            second = tx.definitions.publish([definition(version=2)])

        with store.transaction() as tx:
            assert tx.definitions.live() == [
                definition("vip", kind="audience", epoch=first),
                definition(version=2, epoch=second),
            ]
            assert first < second == tx.definitions.epoch()

    def test_older_versions_stay_readable(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.definitions.publish([definition(version=1)])
            tx.definitions.publish([definition(version=2), definition("welcome", 1, kind="template")])

        with store.transaction() as tx:
            found = tx.definitions.versions([("welcome", 2), ("welcome", 1), ("welcome", 9), ("other", 1)])
            assert tx.definitions.versions([]) == []

        assert [(one.kind, one.version) for one in found] == [("journey", 1), ("journey", 2)]

    def test_numbers_of_versions_are_never_given_twice(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.definitions.last_versions() == {}
            tx.definitions.publish([definition(version=1), definition("vip", 4, kind="audience")])
            tx.definitions.publish([definition(version=2)], [("audience", "vip")])

        with store.transaction() as tx:
            assert tx.definitions.last_versions() == {("journey", "welcome"): 2, ("audience", "vip"): 4}

    def test_what_is_removed_is_no_longer_live(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.definitions.publish([definition(), definition("other")])
            epoch = tx.definitions.publish([], [("journey", "welcome"), ("journey", "never was")])

        with store.transaction() as tx:
            assert [one.name for one in tx.definitions.live()] == ["other"]
            assert [one.name for one in tx.definitions.versions([("welcome", 1)])] == ["welcome"]
            assert tx.definitions.epoch() == epoch

    def test_a_version_published_again_is_live_again(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.definitions.publish([definition(version=1)])
            tx.definitions.publish([definition(version=2)])
            epoch = tx.definitions.publish([definition(version=1, state="paused")])

        with store.transaction() as tx:
            assert tx.definitions.live() == [definition(version=1, state="paused", epoch=epoch)]

    def test_another_source_under_a_version_that_exists_is_refused(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.definitions.publish([definition()])

        with pytest.raises(StorageRefusedError), store.transaction() as tx:
            tx.definitions.publish([definition(checksum="other")])

        with store.transaction() as tx:
            assert [one.checksum for one in tx.definitions.live()] == ["welcome-1"]
            assert tx.definitions.epoch() == 1

    def test_a_state_is_changed_in_place(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.definitions.publish([definition(version=1)])
            tx.definitions.publish([definition(version=2), definition("other")])
            epoch = tx.definitions.set_state("journey", "welcome", "paused")

        with store.transaction() as tx:
            states = {one.name: (one.version, one.state) for one in tx.definitions.live()}
            (old,) = tx.definitions.versions([("welcome", 1)])
            assert states == {"welcome": (2, "paused"), "other": (1, "active")}
            assert old.state == "active"
            assert tx.definitions.epoch() == epoch == 3

    def test_channels_are_stopped_and_resumed(self, store: Store) -> None:
        with store.transaction() as tx:
            assert tx.definitions.stopped_channels() == frozenset()
            tx.definitions.stop_sending("sms", True)
            tx.definitions.stop_sending("sms", True)
            tx.definitions.stop_sending("*", True)
        with store.transaction() as tx:
            assert tx.definitions.stopped_channels() == {"sms", "*"}
            epoch = tx.definitions.stop_sending("*", False)

        with store.transaction() as tx:
            assert tx.definitions.stopped_channels() == {"sms"}
            assert tx.definitions.epoch() == epoch == 4

    def test_two_publishers_at_once_get_two_epochs(self, store: Store) -> None:
        epochs = []

        def publish(name: str) -> None:
            with store.transaction() as tx:
                epochs.append(tx.definitions.publish([definition(name)]))

        threads = [Thread(target=publish, args=(f"j{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert sorted(epochs) == [1, 2, 3, 4]
