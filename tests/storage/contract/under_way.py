"""What every store promises about what is under way at a provider: chats, and calls that nobody has answered yet."""

from engage.domain.delivery.delivery import Channel, Mark, Priority
from engage.ports.storage import Store
from tests.storage.contract.given import NOON, at, delivery, delivery_id, profile_id, save


class UnderWayContract:
    """What a provider has taken is found by what it says of it, and by the clock."""

    def test_chats_are_found_by_their_providers_ids(self, store: Store) -> None:
        chat = {"channel": Channel.CHAT, "accepted_at": NOON}
        save(
            store,
            delivery("ada", "1", Mark.ACCEPTED, provider_id="IM1", **chat),
            delivery("bob", "2", Mark.DELIVERED, provider_id="IM2", **chat),
            delivery("bob", "3", Mark.ACCEPTED, provider_id=None, **chat),
            delivery("bob", "4", Mark.ACCEPTED, provider_id="IM1", channel=Channel.WHATSAPP),
        )

        with store.transaction() as tx:
            found = tx.deliveries.chats({"IM1", "IM2", "IM3"})
            assert {one.id for one in found} == {delivery_id("1"), delivery_id("2")}
            assert tx.deliveries.chats({"IM3"}) == []
            assert tx.deliveries.chats(()) == []

    def test_a_channel_on_which_something_is_on_its_way_is_known(self, store: Store) -> None:
        def on_the_way(channel: Channel) -> bool:
            with store.transaction() as tx:
                return tx.deliveries.on_the_way(channel)

        save(
            store,
            delivery("ada", "s", Mark.SENDING, channel=Channel.CHAT, lease="w", lease_until=at(30)),
            delivery("ada", "u", Mark.UNKNOWN, channel=Channel.EMAIL, due_at=at(60)),
            delivery("ada", "q", Mark.QUEUED, channel=Channel.SMS, due_at=at(1)),
            delivery("ada", "a", Mark.ACCEPTED, channel=Channel.VOICE, due_at=at(1)),
        )

        ways = {channel for channel in Channel if on_the_way(channel)}
        assert ways == {Channel.CHAT, Channel.EMAIL}

    def test_calls_that_nobody_answered_are_found_once_their_time_is_over(self, store: Store) -> None:
        voice = {"channel": Channel.VOICE, "accepted_at": NOON, "provider_id": "CA1"}
        save(
            store,
            delivery("ada", "waits", Mark.ACCEPTED, due_at=at(2), **voice),
            delivery("ada", "rings", Mark.SENT, due_at=at(1), **voice),
            delivery("ada", "later", Mark.SENT, due_at=at(3), **voice),
            delivery("ada", "answered", Mark.ANSWERED, due_at=at(1), **voice),
            delivery("ada", "over", Mark.BUSY, due_at=at(1), **voice),
            delivery("ada", "for ever", Mark.SENT, due_at=None, **voice),
            delivery("ada", "unknown", Mark.UNKNOWN, due_at=at(1), **voice),
            delivery("ada", "queued", Mark.QUEUED, due_at=at(1), **voice),
        )

        with store.transaction() as tx:
            assert tx.deliveries.overdue_calls(at(2), 9) == [delivery_id("rings"), delivery_id("waits")]
            assert tx.deliveries.overdue_calls(at(9), 1) == [delivery_id("rings")]
            assert [key for key, _ in tx.deliveries.unknown(at(9), 9)] == [delivery_id("unknown")]
            assert tx.deliveries.candidates(Channel.VOICE, Priority.LIVE, at(9), 9) == [
                (delivery_id("queued"), profile_id("ada"))
            ]

    def test_the_next_thing_due_may_be_a_call_whose_time_ends(self, store: Store) -> None:
        save(store, delivery("ada", "rings", Mark.SENT, due_at=at(1), channel=Channel.VOICE))
        save(store, delivery("ada", "text", Mark.SENT, due_at=at(0.5)))

        with store.transaction() as tx:
            assert tx.deliveries.next_due() == at(1)
