"""Reading: what an expression finds in the row of a person or an event — traits, identifiers, properties, consent, chance."""

import json
from datetime import datetime

from engage.domain.consent.consent import EVERY_TOPIC, ConsentState, Policy, family
from engage.domain.expression import Value as Known
from engage.domain.expression import tree
from engage.domain.expression.tree import Root
from engage.domain.expression.values import dig
from engage.domain.profile.person import address_trait
from engage.ports.selecting import Given
from engage.ports.storage import StorageRefusedError
from engage.storage.expression_sql.conversions import no_lists
from engage.storage.expression_sql.fragments import (
    FALSE,
    NONE,
    PERHAPS,
    TRUE,
    UNKNOWN,
    Condition,
    Kind,
    Params,
    Sql,
    Value,
    all_of,
    kept_short,
    negated,
)

_OBJECTS = ("p.traits", "e.properties")
"""What is an object in every row."""
# Lists within lists are opened by Python all the way down.
_NESTED = """'strict $[*] ? (@.type() == "array")'::jsonpath"""


class Reading:
    """Reads of the person `p`, or of one of their events `e`."""

    def __init__(self, given: Given, params: Params, *, of_event: bool) -> None:
        """`of_event`: within a condition on single events, where no table but these two is read."""
        self._given, self._params, self._of_event = given, params, of_event

    def constant(self, value: Known) -> Value:
        """Return a value that is the same for everybody; unknown if PostgreSQL cannot hold it."""
        if value is None:
            return NONE
        try:
            if isinstance(value, datetime):
                return Value(sql=self._params.instant(value), kind=Kind.INSTANT)
            if isinstance(value, str):
                return Value(sql=self._params.text(value), kind=Kind.TEXT, json=self._params.json(value))
            if isinstance(value, bool):
                return Value(sql=TRUE if value else FALSE, kind=Kind.BOOLEAN)
            if isinstance(value, list | dict):
                return Value(sql=self._params.json(value), kind=Kind.JSON)
            number = self._params.add(value, "numeric")
            return Value(sql=number, kind=Kind.NUMBER, json=self._params.json(value))
        except StorageRefusedError:
            return UNKNOWN

    def path(self, node: tree.Path) -> Value:
        """Return what a path of the language names."""
        match node.root:
            case Root.PROFILE:
                return self._of_profile(node.keys)
            case Root.EVENT:
                if not self._of_event:
                    return NONE  # no event is looked at
                if not node.keys:
                    return Value(sql="e.properties", kind=Kind.JSON)
                return self._dug("e.properties", node.keys)
            case Root.ENTRY:
                entry = self._given.entry
                return NONE if entry is None else self.constant(dig(dict(entry), node.keys))
            case Root.RUN | Root.WITH:
                return NONE

    def _of_profile(self, keys: tuple[str, ...]) -> Value:
        if keys[0] in ("id", "user_id", "anonymous_id"):
            return NONE if keys[1:] else self._identifier(keys[0])
        return self._dug("p.traits", keys)

    def _identifier(self, kind: str) -> Value:
        if self._of_event:
            return UNKNOWN
        if kind == "id":
            return Value(sql="p.id::text", kind=Kind.TEXT)
        newest = (
            f"(SELECT i.value FROM identifier i WHERE i.profile_id = p.id AND i.kind = '{kind}'"
            " ORDER BY i.seq DESC LIMIT 1)"
        )
        return Value(sql=newest, kind=Kind.TEXT)

    def _dug(self, root: Sql, keys: tuple[str, ...]) -> Value:
        return self.inside(Value(sql=root, kind=Kind.JSON), keys)

    def inside(self, value: Value, keys: tuple[str, ...]) -> Value:
        """Return what lies at a path. Of a list on the way Python looks into the elements, and so does SQL one level deep."""
        if value.kind is not Kind.JSON or value.scalar:
            return Value(sql="NULL::jsonb", kind=Kind.JSON, known=value.known, scalar=True)
        try:
            steps = [self._params.text(key) for key in keys]
        except StorageRefusedError:
            return UNKNOWN
        if len(keys) == 2 and value.sql in _OBJECTS:
            return self._in_list_or_object(f"({value.sql} -> {steps[0]})", keys[1])
        places = [value.sql]
        for step in steps:
            places.append(f"({places[-1]} -> {step})")
        on_the_way = places[1:-1] if value.sql in _OBJECTS else places[:-1]
        return kept_short(
            Value(
                sql=f"nullif({places[-1]}, 'null'::jsonb)",
                kind=Kind.JSON,
                known=all_of(value.known, no_lists(*on_the_way)),
            )
        )

    def _in_list_or_object(self, outer: Sql, key: str) -> Value:
        """Return the property of an object, or the list of that property of a list's elements."""
        step = self._params.text(key)
        path = self._params.add(f'lax $[*].{json.dumps(key)} ? (@.type() != "null")', "jsonpath")
        found = f"jsonb_path_query_array({outer}, {path})"
        is_list = f"jsonb_typeof({outer}) = 'array'"
        flat = all_of(*(f"NOT jsonb_path_exists({part}, {_NESTED})" for part in (outer, found)))
        return kept_short(
            Value(
                sql=f"(CASE WHEN {is_list} THEN {found} ELSE nullif({outer} -> {step}, 'null'::jsonb) END)",
                kind=Kind.JSON,
                known=f"coalesce(CASE WHEN {is_list} THEN {flat} ELSE true END, true)",
            )
        )

    def subscribed(self, node: tree.Subscribed) -> Condition:
        """Say no where that is sure: no address, or the person's own no; the ledger of addresses is read in Python."""
        trait = address_trait(node.channel)
        if self._of_event:
            return PERHAPS
        if trait is None or self._given.settings.policy(node.channel, node.topic) is Policy.NEVER:
            return Condition.exactly(FALSE)
        address = f"(p.traits -> {self._params.text(trait)})"
        reachable = f"coalesce(jsonb_typeof({address}) IN ('string', 'number'), false)"
        refused = (
            "EXISTS (SELECT FROM subscription s WHERE s.owner = p.id::text AND s.scope = 'profile'"
            f" AND s.channel = {self._params.text(family(node.channel))}"
            f" AND s.topic IN ({self._params.text(node.topic)}, {self._params.text(EVERY_TOPIC)})"
            f" AND s.state = {self._params.text(ConsentState.UNSUBSCRIBED)})"
        )
        return Condition(FALSE, all_of(reachable, negated(refused)))

    def changed_at(self, trait: str) -> Value:
        """Return the instant at which a trait took its value."""
        if self._of_event:
            return Value(sql="NULL::timestamptz", kind=Kind.INSTANT, known=FALSE)
        try:
            name = self._params.text(trait)
        except StorageRefusedError:
            return UNKNOWN
        known = TRUE if trait not in self._given.traits else FALSE
        return Value(sql=f"(p.trait_times -> {name} ->> 1)::timestamptz", kind=Kind.INSTANT, known=known)

    def bucket(self, salt: str) -> Value:
        """Return the person's bucket, from 0 to 99."""
        if self._of_event:
            return UNKNOWN
        try:
            key = f"{self._params.text(salt + ':')} || p.bucket_key"
        except StorageRefusedError:
            return UNKNOWN
        digest = f"encode(sha256(convert_to({key}, 'UTF8')), 'hex')"
        high, low = (f"('x' || substr({digest}, {start}, 8))::bit(32)::bigint" for start in (1, 9))
        # 2^32 is 96 modulo 100.
        return Value(sql=f"(({high} * 96 + {low}) %% 100)::numeric", kind=Kind.NUMBER, small=True)
