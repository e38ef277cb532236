"""Rows of people: identifiers and traits, as facts that digest takes as it takes Segment's import — history that triggers nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from engage.domain.consent.consent import Consents
from engage.domain.fact import Call, Identifier, Members, NewFact, decode, encode
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import NOBODY, Piece
from engage.engine.canonical.call import Origin, Refused, read_item
from engage.engine.canonical.people import normal_identifier, plain
from engage.engine.canonical.rules import BUILT_IN
from engage.engine.people.bring_in import Misfit
from engage.engine.people.listfile import PROBLEM, Row
from engage.engine.people.subscription_columns import asked_about, is_one, refusal, subscriptions_of
from engage.ports.storage import Transaction

SOURCE = "import"
_IGNORED = frozenset({PROBLEM, "id", "created_at", "audiences", ""})
"""Columns an export has that are not brought in: who somebody is and where they are follows from the rest."""
# The numbers of the language (language.md §1): a postal code with a leading zero stays text.
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d{1,15})?")
_SEGMENT = {"userId": "user_id", "anonymousId": "anonymous_id"}
"""Columns of Segment's files that have another name here."""
_TYPES: dict[str, Callable[[str], Any]] = {}


class Profiles:
    """A file of people."""

    name = "profiles"

    def __init__(
        self, acceptor: Acceptor, content: str, now: datetime, *, typed: bool, audience: str | None = None
    ) -> None:
        """Read rows of the file with the digest `content`; `typed`: a value has its type already (JSON).

        `audience`: a manual one that everybody in the file joins.
        """
        self._audience = audience
        self._acceptor, self._content, self._typed = acceptor, content, typed
        self._rules = acceptor.rules()
        self._own = frozenset(self._rules.identifiers.values())
        self._origin = Origin(source=SOURCE, received_at=now, imported=True, rules=self._rules)
        self._wishing: set[int] = set()
        """Rows that say something about consent."""
        self.lanes: set[int] = set()
        """Where facts were put since somebody last looked."""

    def read(self, row: Row) -> Piece:
        """Return the fact of a row.

        Raises:
            Misfit: nobody is named, or a value cannot be what its column says.
        """
        traits = dict(row.values.get("traits") or {}) if isinstance(row.values.get("traits"), dict) else {}
        named: list[Identifier] = []
        for name, value in ((_SEGMENT.get(name, name), value) for name, value in row.values.items()):
            if name in _IGNORED or name in ("traits", "ids", "timestamp") or is_one(name, value, self._rules):
                continue
            if name in BUILT_IN or name in self._own:
                named += self._identifier(name, value)
                if name in ("email", "phone") and value not in (None, ""):
                    traits.setdefault(name, value)
            elif not (value == "" and not self._typed):
                trait, typed = self._trait(name, value)
                traits[trait] = typed
        for text in self._listed(row.values.get("ids")):
            kind, _, value = text.partition(":")
            named += self._identifier(kind, value)
        if not named:
            raise Misfit("nobody is named: a row needs a user_id, email, phone or anonymous_id")
        return self._piece(row, named, traits)

    def write(self, tx: Transaction, rows: Sequence[tuple[Row, Piece]], now: datetime) -> dict[int, str]:
        """Store the facts; what was stored before is known by its file and row. A yes that the ledger forbids is refused."""
        refused = self._forbidden(tx, rows)
        rows = [(row, piece) for row, piece in rows if row.number not in refused]
        facts = [piece.fact for _, piece in rows]
        if self._audience is not None:
            # Behind who they are, in the same lane.
            facts += [self._joining(row, piece, self._audience, now) for row, piece in rows]
        tx.inbox.add(facts)
        self.lanes.update(fact.lane for fact in facts)
        return refused

    def _forbidden(self, tx: Transaction, rows: Sequence[tuple[Row, Piece]]) -> dict[int, str]:
        calls = {row.number: _call(piece) for row, piece in rows if row.number in self._wishing}
        self._wishing.clear()
        asked = asked_about(calls.values())
        if not asked:
            return {}
        view = tx.consents.view([NOBODY], {NOBODY: asked}).get(NOBODY, Consents())
        found = {number: refusal(call, view) for number, call in calls.items()}
        return {number: why for number, why in found.items() if why is not None}

    def _joining(self, row: Row, piece: Piece, audience: str, now: datetime) -> NewFact:
        call = _call(piece)
        unique = f"{self._content}:{row.number}:{audience}"
        fact = Members(message_id=unique, audience=audience, person=call.identifiers[0], member=True)
        return NewFact(
            lane=piece.fact.lane, source=SOURCE, message_id=unique, received_at=now, payload=encode(fact)
        )

    def _identifier(self, kind: str, value: Any) -> list[Identifier]:
        text = plain(value)
        if text is None:
            if value in (None, ""):
                return []
            raise Misfit(f"{kind}: an identifier is text or a number")
        found = normal_identifier(kind, text.strip(), self._rules.region)
        if found is None:
            raise Misfit(_WANTED.get(kind, "{}: at most 500 characters").format(kind))
        return [found]

    def _trait(self, name: str, value: Any) -> tuple[str, Any]:
        trait, colon, kind = name.rpartition(":")
        if not colon or kind not in _TYPES or self._typed:
            return name, value if self._typed else guessed(value)
        try:
            return trait, _TYPES[kind](value)
        except ValueError as exc:
            raise Misfit(f"{trait}: `{value[:40]}` is no {kind}") from exc

    def _listed(self, ids: Any) -> Sequence[str]:
        if ids in (None, ""):
            return ()
        found = ids.split() if isinstance(ids, str) else ids
        if not isinstance(found, list) or not all(isinstance(text, str) and ":" in text for text in found):
            raise Misfit("ids: write `kind:value`, several apart by blanks, or a JSON list of them")
        return found

    def _piece(self, row: Row, named: Sequence[Identifier], traits: Mapping[str, Any]) -> Piece:
        by_kind = {name.kind: name.value for name in reversed(named)}
        wishes = subscriptions_of(row.values, by_kind, self._rules)
        if wishes:
            self._wishing.add(row.number)
        item = {
            "type": "identify",
            "messageId": f"{self._content}:{row.number}",
            "userId": by_kind.get("user_id"),
            "anonymousId": by_kind.get("anonymous_id"),
            "timestamp": row.values.get("timestamp") or None,
            "traits": dict(traits),
            "context": {
                "externalIds": [
                    {"id": name.value, "type": name.kind, "collection": "users", "encoding": "none"}
                    for name in named
                ],
                **({"messaging_subscriptions": wishes} if wishes else {}),
            },
        }
        taken = self._acceptor.call(b"", item, self._origin)
        for piece in taken.pieces:
            return piece
        raise Misfit(_told(taken.quarantined[0]))


def _call(piece: Piece) -> Call:
    call = decode(piece.fact.payload)
    assert isinstance(call, Call)
    return call


_WANTED = {
    "email": "{}: no e-mail address",
    "phone": "{}: no phone number; write +14155550101, or 4155550101 with settings.region",
}


def _told(quarantined: Quarantined) -> str:
    return f"{quarantined.reason}: {quarantined.detail}" if quarantined.detail else str(quarantined.reason)


def guessed(text: str) -> Any:
    """Return what a cell means that has no type: a plain number, true, false, a JSON list or object, else text."""
    if _NUMBER.fullmatch(text):
        return Decimal(text) if "." in text else int(text)
    if text in ("true", "false"):
        return text == "true"
    if text[:1] in ("{", "["):
        try:
            return _json(text)
        except ValueError:
            return text
    return text


def _json(text: str) -> Any:
    found = read_item(text.encode("utf-8", "surrogateescape"))
    if isinstance(found, Refused):
        raise ValueError(found.detail)  # noqa: TRY004 - what is no JSON is a value, not a type
    return found


def _number(text: str) -> Any:
    try:
        return Decimal(text) if not text.lstrip("-").isdigit() else int(text)
    except ArithmeticError as exc:
        raise ValueError(text) from exc


def _boolean(text: str) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
    if text.strip().lower() not in known:
        raise ValueError(text)
    return known[text.strip().lower()]


_TYPES.update(text=str, number=_number, boolean=_boolean, json=_json)
