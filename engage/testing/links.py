"""Links in the messages of a scenario: readable instead of signed, so that a test can press what they lead to."""

from collections.abc import Iterator, Mapping

from engage.domain.delivery.delivery import Delivery
from engage.ports.templating import Links

BASE = "https://engage.example"


def confirm_address(topic: str) -> str:
    """Return what `confirm_url('topic')` begins with, in every message."""
    return f"{BASE}/c/{topic}."


class ConfirmLinks(Mapping[str, str]):
    """`confirm_url('topic')`, made when a template asks for it."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def __getitem__(self, topic: str) -> str:
        """Return the address of the page on which this topic is confirmed."""
        return f"{confirm_address(topic)}{self._delivery.id}"

    def __iter__(self) -> Iterator[str]:
        """Every topic can be asked for; none is listed."""
        return iter(())

    def __len__(self) -> int:
        """None is listed."""
        return 0


def links_of(delivery: Delivery, address: str) -> Links:
    """Return the links of one delivery."""
    del address
    return Links(
        unsubscribe_url=f"{BASE}/u/{delivery.id}",
        preferences_url=f"{BASE}/p/{delivery.id}",
        view_url=f"{BASE}/v/{delivery.id}",
        confirm_url=ConfirmLinks(delivery),
    )
