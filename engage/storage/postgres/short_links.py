"""Short links in PostgreSQL."""

from collections.abc import Iterable

from engage.domain.links.short_link import ShortLink
from engage.storage.postgres.session import Session, json

_ADD = """
INSERT INTO link (id, delivery_id, profile_id, url, created_at)
SELECT id, delivery, profile, url, created_at
FROM json_to_recordset(%s) AS d (id text, delivery uuid, profile uuid, url text, created_at timestamptz)
ON CONFLICT (id) DO NOTHING
"""
_FIND = "SELECT id, delivery_id::text, profile_id::text, url, created_at FROM link WHERE id = %s"


class PostgresShortLinks:
    """Tracked addresses of texts."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def add(self, links: Iterable[ShortLink]) -> None:
        """Keep links; one that is there already stays as it is."""
        rows = list(links)
        if rows:
            self._session.run(_ADD, json(rows))

    def find(self, link: str) -> ShortLink | None:
        """Return a link by its id."""
        for id_, delivery, profile, url, created_at in self._session.rows(_FIND, link):
            return ShortLink(id=id_, delivery=delivery, profile=profile, url=url, created_at=created_at)
        return None
