"""Members of a manual audience in PostgreSQL, for the API that replaces them all."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from engage.domain.fact import Identifier
from engage.storage.postgres.store import PostgresStore

_MEMBERS = """
SELECT membership.profile_id, kind, value FROM membership JOIN identifier USING (profile_id)
WHERE audience = %s AND membership.profile_id > %s::uuid
ORDER BY membership.profile_id, seq LIMIT %s
"""
_FIRST = "00000000-0000-0000-0000-000000000000"
_PAGE = 5000


def members(store: PostgresStore, audience: str) -> Iterator[Sequence[Identifier]]:
    """Yield everybody in an audience by all their identifiers, read in pages."""
    after = _FIRST
    while True:
        with store.session() as session:
            rows = session.rows(_MEMBERS, audience, after, _PAGE)
        people = [(key, list(group)) for key, group in groupby(rows, key=itemgetter(0))]
        if len(rows) == _PAGE and len(people) > 1:
            people.pop()  # the page may have cut this person's identifiers short
        for profile, group in people:
            yield [Identifier(kind, value) for _, kind, value in group]
            after = profile
        if len(rows) < _PAGE:
            return
