"""Providers' lists in PostgreSQL."""

from collections.abc import Mapping, Sequence

from engage.ports.listing import SUPPRESSING, UNSUBSCRIBED, Listed
from engage.storage.postgres.session import Json, Session, json, texts

_ROWS = "json_to_recordset(%s) AS (listing text, address text, at timestamptz)"
_KEEP = f"""
INSERT INTO listed (address, provider, listing, at)
SELECT DISTINCT ON (address, listing) address, %s, listing, at FROM {_ROWS} ORDER BY address, listing, at DESC
ON CONFLICT (address, provider, listing) DO UPDATE SET at = excluded.at WHERE excluded.at > listed.at
RETURNING listing, address, at
"""  # noqa: S608 - names of our own
_DROP = f"""
DELETE FROM listed USING {_ROWS.replace(") AS (", ") AS gone (")}
WHERE listed.provider = %s AND listed.address = gone.address AND listed.listing = gone.listing AND listed.at <= gone.at
"""  # noqa: S608 - names of our own
_TOPICS = "json_to_recordset(%s) AS meant (listing text, topic text)"
_UNTOLD = f"""
(SELECT meant.listing, said.owner, said.at FROM subscription AS said JOIN {_TOPICS} ON meant.topic = said.topic
WHERE said.scope = 'address' AND said.channel = 'email' AND said.state = 'unsubscribed' AND said.owner LIKE '%%@%%'
    AND NOT EXISTS (
        SELECT FROM listed WHERE listed.address = said.owner AND listed.provider = %s AND listed.listing = meant.listing
    )
UNION
SELECT %s, bad.address, bad.at FROM suppression AS bad
WHERE bad.channel = 'email' AND NOT bad.lifted AND bad.address LIKE '%%@%%'
    AND NOT EXISTS (SELECT FROM listed WHERE listed.address = bad.address AND listed.provider = %s))
ORDER BY 2, 1 LIMIT %s
"""  # noqa: S608 - names of our own
_TAKEN_BACK = f"""
(SELECT listed.listing, listed.address, listed.at FROM listed JOIN {_TOPICS} ON meant.listing = listed.listing
JOIN subscription AS said ON said.owner = listed.address AND said.topic = meant.topic
WHERE listed.provider = %s AND said.scope = 'address' AND said.channel = 'email' AND said.state = 'subscribed'
    AND said.at > listed.at
    AND NOT EXISTS (
        SELECT FROM suppression AS bad WHERE bad.address = listed.address AND bad.channel = 'email' AND NOT bad.lifted
    )
UNION
SELECT listed.listing, listed.address, listed.at FROM listed
JOIN suppression AS bad ON bad.address = listed.address AND bad.channel = 'email'
WHERE listed.provider = %s AND listed.listing = ANY(%s::text[]) AND bad.lifted AND bad.at > listed.at)
ORDER BY 2, 1 LIMIT %s
"""  # noqa: S608 - names of our own
_COUNTS = "SELECT listing, count(*) FROM listed WHERE provider = %s GROUP BY listing ORDER BY listing"


class PostgresListings:
    """What we last saw on a provider's lists."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def keep(self, provider: str, seen: Sequence[Listed]) -> list[Listed]:
        """Remember these; return those that were not known, or are there anew since."""
        return _listed(self._session.rows(_KEEP, provider, json(seen))) if seen else []

    def drop(self, provider: str, gone: Sequence[Listed]) -> None:
        """Forget these, at this age or older."""
        if gone:
            self._session.run(_DROP, json(gone), provider)

    def untold(self, provider: str, topics: Mapping[str, str], limit: int) -> list[Listed]:
        """Return each no of our ledger about mail that the provider's list lacks."""
        return _listed(self._session.rows(_UNTOLD, _meant(topics), provider, UNSUBSCRIBED, provider, limit))

    def taken_back(self, provider: str, topics: Mapping[str, str], limit: int) -> list[Listed]:
        """Return what is on a provider's list although the person said yes to us since."""
        return _listed(
            self._session.rows(
                _TAKEN_BACK, _meant(topics), provider, provider, texts(sorted(SUPPRESSING)), limit
            )
        )

    def counts(self, provider: str) -> dict[str, int]:
        """Return how many addresses are on each list."""
        return dict(self._session.rows(_COUNTS, provider))


def _meant(topics: Mapping[str, str]) -> Json:
    return json([{"listing": listing, "topic": topic} for listing, topic in topics.items()])


def _listed(rows: Sequence[tuple[object, ...]]) -> list[Listed]:
    return [Listed(listing=listing, address=address, at=at) for listing, address, at in rows]  # type: ignore[arg-type]  # as the query says
