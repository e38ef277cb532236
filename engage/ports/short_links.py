"""Short links, as the rooms keep and find them."""

from collections.abc import Iterable
from typing import Protocol

from engage.domain.links.short_link import ShortLink


class ShortLinks(Protocol):
    """Tracked addresses of texts."""

    def add(self, links: Iterable[ShortLink]) -> None:
        """Keep links; one that is there already stays as it is."""
        ...

    def find(self, link: str) -> ShortLink | None:
        """Return a link by its id."""
        ...
