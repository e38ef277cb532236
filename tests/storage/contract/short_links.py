"""What every store promises about the short links of texts."""

from engage.domain.links.short_link import ShortLink
from engage.domain.turn.changes import Changes
from engage.ports.storage import Store
from tests.storage.contract.given import NOON, at, delivery, delivery_id, profile, profile_id, write


def link(name: str, url: str = "https://shop.example/a?b=1&c=ä", ago: float = 0) -> ShortLink:
    return ShortLink(
        id=name, delivery=delivery_id("d"), profile=profile_id("ada"), url=url, created_at=at(ago)
    )


class ShortLinksContract:
    """A link is kept once, found by its id, and goes with its person."""

    def test_a_link_is_found_as_it_was_kept(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.links.add([link("abcdefghijk"), link("bcdefghijkl", "https://shop.example/")])
        with store.transaction() as tx:
            assert tx.links.find("abcdefghijk") == link("abcdefghijk")
            assert tx.links.find("ABCDEFGHIJK") is None

    def test_the_first_target_of_a_link_stays(self, store: Store) -> None:
        for url in ("https://shop.example/first", "https://shop.example/second"):
            with store.transaction() as tx:
                tx.links.add([link("abcdefghijk", url), link("abcdefghijk", url)])
        with store.transaction() as tx:
            found = tx.links.find("abcdefghijk")

        assert found is not None
        assert (found.url, found.created_at) == ("https://shop.example/first", NOON)

    def test_a_link_goes_with_its_person(self, store: Store) -> None:
        write(store, Changes(profiles={profile_id("ada"): profile("ada")}))
        with store.transaction() as tx:
            tx.deliveries.save([delivery("ada", "d")])
            tx.links.add([link("abcdefghijk")])
        with store.transaction() as tx:
            tx.people.lock([profile_id("ada")])
            tx.people.erase([profile_id("ada")])
        with store.transaction() as tx:
            assert tx.links.find("abcdefghijk") is None
