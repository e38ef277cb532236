"""Signed links: the addresses in our messages, each made when a text asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.links.short_link import ROOM, ShortLink, short_id
from engage.domain.links.token import Confirm, Preferences, Viewed, make_token
from engage.ports.templating import Links
from engage.settings import Settings


class ConfirmLinks(Mapping[str, str]):
    """`confirm_url('topic')`, made when a template asks for it."""

    def __init__(self, delivery: Delivery, address: str, base: str, secrets: tuple[str, ...]) -> None:
        """Sign links for one delivery to one address."""
        self._delivery, self._address, self._base, self._secrets = delivery, address, base, secrets

    def __getitem__(self, topic: str) -> str:
        """Return the link that opens the page where this address confirms `topic`."""
        token = Confirm(
            channel=self._delivery.channel,
            address=self._address,
            topic=topic,
            profile=self._delivery.profile,
            delivery=self._delivery.id,
        )
        return f"{self._base}/c/{make_token(token, self._secrets)}"

    def __iter__(self) -> Iterator[str]:
        """Every topic can be asked for; none is listed."""
        return iter(())

    def __len__(self) -> int:
        """None is listed."""
        return 0


def links_of(settings: Settings) -> "LinkMaker":
    """Return what makes the signed links of a delivery."""
    return LinkMaker(settings.base_url, settings.secret_key)


@dataclass(frozen=True, slots=True)
class LinkMaker:
    """Makes the signed links of one delivery to one address."""

    base: str
    secrets: tuple[str, ...]

    def __call__(self, delivery: Delivery, address: str) -> Links:
        """Return the links; the token follows the address, so a forwarded mail unsubscribes whom it was sent to."""
        return SignedLinks(delivery, address, self.base, self.secrets)


class SignedLinks(Links):
    """The links of one delivery, each signed when it is asked for: most texts have none."""

    _parts: tuple[Delivery, str, str, tuple[str, ...]]

    def __init__(self, delivery: Delivery, address: str, base: str, secrets: tuple[str, ...]) -> None:
        """Sign links for one delivery to one address."""
        object.__setattr__(self, "_parts", (delivery, address, base, secrets))
        object.__setattr__(self, "confirm_url", ConfirmLinks(delivery, address, base, secrets))

    @cached_property
    def _made(self) -> dict[str, ShortLink]:
        return {}

    @property
    def made(self) -> Sequence[ShortLink]:
        """The short links that the text has."""
        return tuple(self._made.values())

    def tracked(self, url: str) -> str:
        """Return a short address of ours that leads to `url`; clicks in mails are counted by the mail's provider.

        A room has no other address than ours.
        """
        delivery, _, base, secrets = self._parts
        if (delivery.channel is Channel.EMAIL and not url.startswith(ROOM)) or not secrets:
            return url
        link = ShortLink(
            id=short_id(delivery.id, url, secrets[0]),
            delivery=delivery.id,
            profile=delivery.profile,
            url=url,
            created_at=delivery.asked_at,
        )
        self._made[link.id] = link
        return f"{base}/l/{link.id}"

    @cached_property
    def unsubscribe_url(self) -> str:
        """Where this address says no, to all or to some."""
        delivery, address, base, secrets = self._parts
        token = Preferences(
            channel=delivery.channel,
            address=address,
            topic=delivery.topic,
            profile=delivery.profile,
            delivery=delivery.id,
        )
        return f"{base}/u/{make_token(token, secrets)}"

    @property
    def preferences_url(self) -> str:
        """The same page."""
        return self.unsubscribe_url

    @cached_property
    def view_url(self) -> str:
        """Where the mail stands as a page."""
        delivery, _, base, secrets = self._parts
        return f"{base}/v/{make_token(Viewed(delivery=delivery.id), secrets)}"
