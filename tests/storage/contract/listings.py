"""What every store promises about providers' own lists of refused addresses."""

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState, SuppressionEntry
from engage.ports.listing import BOUNCED, UNSUBSCRIBED, Listed
from engage.ports.storage import Store
from tests.storage.contract.given import at

ADA, BOB = "ada@shop.example", "bob@shop.example"
TOPICS = {UNSUBSCRIBED: EVERY_TOPIC, "group:12": "news"}


def listed(address: str, listing: str = UNSUBSCRIBED, after: float = 0) -> Listed:
    """Return an address on a list."""
    return Listed(listing=listing, address=address, at=at(after))


def said(address: str, state: ConsentState, after: float = 0, topic: str = EVERY_TOPIC) -> ConsentEntry:
    """Return a line about mail."""
    return ConsentEntry(
        channel="email", topic=topic, state=state, at=at(after), source="test", address=address
    )


def suppressed(address: str, after: float = 0, *, lifted: bool = False) -> SuppressionEntry:
    """Return a suppression of mail."""
    return SuppressionEntry(
        channel="email", address=address, reason="bounced", at=at(after), source="test", lifted=lifted
    )


def keep(store: Store, *seen: Listed, provider: str = "p") -> list[Listed]:
    """Remember in a transaction of its own."""
    with store.transaction() as tx:
        return tx.listings.keep(provider, seen)


def ledger(store: Store, *lines: ConsentEntry | SuppressionEntry) -> None:
    """Append lines."""
    with store.transaction() as tx:
        tx.consents.append(
            [one for one in lines if isinstance(one, ConsentEntry)],
            [one for one in lines if isinstance(one, SuppressionEntry)],
        )


def untold(store: Store, limit: int = 10, provider: str = "p") -> list[tuple[str, str]]:
    """Return what the provider lacks."""
    with store.transaction() as tx:
        return [(one.listing, one.address) for one in tx.listings.untold(provider, TOPICS, limit)]


def taken_back(store: Store) -> list[tuple[str, str]]:
    """Return what is to leave the provider's lists."""
    with store.transaction() as tx:
        return [(one.listing, one.address) for one in tx.listings.taken_back("p", TOPICS, 10)]


class ListingsContract:
    """Lists are remembered; the difference to the ledger is told."""

    def test_only_what_is_new_or_there_anew_is_returned(self, store: Store) -> None:
        first = keep(store, listed(ADA), listed(ADA), listed(BOB, after=2))

        again = keep(store, listed(ADA), listed(BOB, after=1), listed(BOB, BOUNCED))

        assert {one.address for one in first} == {ADA, BOB}
        assert again == [listed(BOB, BOUNCED)]
        assert keep(store, listed(ADA, after=5)) == [listed(ADA, after=5)]
        assert keep(store, listed(ADA), provider="other") == [listed(ADA)]

    def test_they_are_counted_by_list(self, store: Store) -> None:
        keep(store, listed(ADA), listed(BOB), listed(BOB, BOUNCED))

        with store.transaction() as tx:
            assert tx.listings.counts("p") == {BOUNCED: 1, UNSUBSCRIBED: 2}
            assert tx.listings.counts("other") == {}

    def test_what_is_dropped_is_forgotten_unless_it_is_there_anew(self, store: Store) -> None:
        keep(store, listed(ADA), listed(BOB, after=5))

        with store.transaction() as tx:
            tx.listings.drop("p", [listed(ADA), listed(BOB, after=4)])

        with store.transaction() as tx:
            assert tx.listings.counts("p") == {UNSUBSCRIBED: 1}

    def test_a_no_to_mail_that_their_list_lacks_is_untold(self, store: Store) -> None:
        ledger(
            store,
            said(ADA, ConsentState.UNSUBSCRIBED),
            said(BOB, ConsentState.UNSUBSCRIBED, topic="news"),
            said("c@shop.example", ConsentState.SUBSCRIBED),
            said("d@shop.example", ConsentState.UNSUBSCRIBED, topic="offers"),
            said("erased:abc", ConsentState.UNSUBSCRIBED),
        )

        assert untold(store) == [(UNSUBSCRIBED, ADA), ("group:12", BOB)]
        assert untold(store, limit=1) == [(UNSUBSCRIBED, ADA)]

        keep(store, listed(ADA))

        assert untold(store) == [("group:12", BOB)]
        assert untold(store, provider="other") == [(UNSUBSCRIBED, ADA), ("group:12", BOB)]

    def test_a_suppressed_address_is_untold_unless_it_is_on_any_list_of_theirs(self, store: Store) -> None:
        ledger(store, suppressed(ADA), suppressed(BOB), suppressed("c@shop.example", lifted=True))
        keep(store, listed(BOB, BOUNCED))

        assert untold(store) == [(UNSUBSCRIBED, ADA)]

    def test_a_yes_after_their_no_takes_it_back(self, store: Store) -> None:
        keep(store, listed(ADA, after=5), listed(BOB, after=5), listed(BOB, "group:12", after=5))
        ledger(
            store,
            said(ADA, ConsentState.SUBSCRIBED, 6),
            said(BOB, ConsentState.SUBSCRIBED, 4),
            said(BOB, ConsentState.SUBSCRIBED, 6, topic="news"),
        )

        assert taken_back(store) == [(UNSUBSCRIBED, ADA), ("group:12", BOB)]

    def test_a_suppressed_address_stays_on_their_list_whatever_it_says(self, store: Store) -> None:
        keep(store, listed(ADA))
        ledger(store, said(ADA, ConsentState.SUBSCRIBED, 6), suppressed(ADA))

        assert taken_back(store) == []

    def test_a_suppression_that_was_lifted_since_takes_the_bounce_back(self, store: Store) -> None:
        keep(store, listed(ADA, BOUNCED), listed(BOB, BOUNCED, after=9))
        ledger(store, suppressed(ADA, 1, lifted=True), suppressed(BOB, 1, lifted=True))

        assert taken_back(store) == [(BOUNCED, ADA)]
