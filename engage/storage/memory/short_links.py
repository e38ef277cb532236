"""Short links in memory."""

from collections.abc import Iterable

from engage.domain.links.short_link import ShortLink
from engage.storage.memory.work import Work


class MemoryShortLinks:
    """Tracked addresses of texts."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def add(self, links: Iterable[ShortLink]) -> None:
        """Keep links; one that is there already stays as it is."""
        for link in links:
            if self._work.links.get(link.id) is None:
                self._work.links.put(link.id, link)

    def find(self, link: str) -> ShortLink | None:
        """Return a link by its id."""
        return self._work.links.get(link)
