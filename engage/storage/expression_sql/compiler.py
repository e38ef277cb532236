"""Compiler: from the typed tree of an expression to SQL over profiles (`p`), their events (`e`) and what was made of these (`f`)."""

from datetime import datetime

from engage.domain.expression import tree
from engage.domain.expression.functions import shifted
from engage.domain.expression.tree import Node, Root, Sign
from engage.ports.selecting import Given
from engage.storage.expression_sql.comparing import compare, equal
from engage.storage.expression_sql.conversions import as_json, operand, truth
from engage.storage.expression_sql.filters import arithmetic_sum, filtered, quotient, tested
from engage.storage.expression_sql.folding import Folding
from engage.storage.expression_sql.fragments import (
    PERHAPS,
    UNKNOWN,
    Condition,
    Kind,
    Params,
    Value,
    all_of,
    any_of,
    as_value,
    both,
    bounded,
    either,
    kept_short,
    negated,
    opposite,
)
from engage.storage.expression_sql.reading import Reading

_TRUTHS = (
    tree.Both,
    tree.Either,
    tree.Not,
    tree.Compare,
    tree.Tested,
    tree.InAudience,
    tree.Subscribed,
    tree.Sequence,
    tree.Aggregate,
)
_DEEPEST = 8
"""Audiences and computed traits that read each other, one inside the other; whatever lies deeper is left to Python."""


class Compiler:
    """Compiles expressions of one statement, whose parameters and aggregates they share."""

    def __init__(self, given: Given, params: Params, folding: Folding | None, depth: int = 0) -> None:
        """`folding` takes the aggregates; none: these are conditions on single events, which have none."""
        self._given, self._params, self._folding, self._depth = given, params, folding, depth
        self._reading = Reading(given, params, of_event=folding is None)

    def truth(self, node: Node) -> Condition:
        """Return whether the value of `node` is true."""
        match node:
            case tree.Both():
                return both(*(self.truth(item) for item in node.items))
            case tree.Either():
                return either(*(self.truth(item) for item in node.items))
            case tree.Not():
                return opposite(self.truth(node.of))
            case tree.Compare():
                return self._compare(node)
            case tree.Tested():
                argument = self.value(node.args[0]) if node.args else None
                return bounded(tested(node.name, self.value(node.of), argument))
            case tree.Choice():
                return self._chosen(node)
            case tree.InAudience():
                return self._in_audience(node.audience)
            case tree.Subscribed():
                return self._reading.subscribed(node)
            case tree.Sequence():
                return PERHAPS if self._folding is None else self._folding.sequence(node, self)
            case tree.Aggregate(fold=tree.Fold.DID):
                return PERHAPS if self._folding is None else self._folding.did(node, self)
            case _:
                return truth(self.value(node))

    def value(self, node: Node) -> Value:
        """Return the value of `node`."""
        match node:
            case tree.ListOf():
                return self._list(node)
            case tree.Member():
                return self._reading.inside(self.value(node.of), node.keys)
            case tree.Arithmetic():
                return self._arithmetic(node)
            case tree.Negate():
                return self._negated(node)
            case tree.Filtered():
                argument = self.value(node.args[0]) if node.args else None
                return filtered(self._params, node, self.value(node.of), argument)
            case tree.Choice():
                return self._choice(node)
            case tree.Aggregate() if node.fold is not tree.Fold.DID:
                return UNKNOWN if self._folding is None else self._folding.value(node, self)
            case _ if isinstance(node, _TRUTHS):
                return kept_short(as_value(self.truth(node)))
            case _:
                return self._leaf(node)

    def _leaf(self, node: Node) -> Value:
        match node:
            case tree.Literal():
                return self._reading.constant(node.value)
            case tree.Path(root=Root.PROFILE) if node.keys[0] in self._given.traits:
                return self._computed(node.keys)
            case tree.Path():
                return self._reading.path(node)
            case tree.EntryEvent():
                return self._reading.constant(self._given.entry_event)
            case tree.Clock():
                return self._reading.constant(shifted(self._given.now, node.shift))
            case tree.ChangedAt():
                return self._reading.changed_at(node.trait)
            case tree.Bucket():
                return self._reading.bucket(node.salt)
            case _:
                return UNKNOWN

    def _computed(self, keys: tuple[str, ...]) -> Value:
        """Return a computed trait as its expression has it, or what lies inside it."""
        trait, rest = self._given.traits[keys[0]], keys[1:]
        reads_computed = not trait.value.reads.traits.isdisjoint(self._given.traits)
        if self._folding is None or self._depth >= _DEEPEST or reads_computed:
            return UNKNOWN  # traits are computed one after the other: what one saw of another depends on their order
        value = as_json(self._deeper().value(trait.value.node))
        return self._reading.inside(value, rest) if rest else value

    def of_event(self) -> "Compiler":
        """Return the compiler of conditions on single events."""
        return Compiler(self._given, self._params, None, self._depth)

    @property
    def now(self) -> datetime:
        """The clock."""
        return self._given.now

    @property
    def params(self) -> Params:
        """The parameters of the statement."""
        return self._params

    def _list(self, node: tree.ListOf) -> Value:
        items = [as_json(self.value(item)) for item in node.items]
        if not items:
            return self._reading.constant([])
        built = f"jsonb_build_array({', '.join(item.sql for item in items)})"
        return kept_short(Value(sql=built, kind=Kind.JSON, known=all_of(*(item.known for item in items))))

    def _deeper(self) -> "Compiler":
        return Compiler(self._given, self._params, self._folding, self._depth + 1)

    def _compare(self, node: tree.Compare) -> Condition:
        if node.op in (tree.Op.IN, tree.Op.NOT_IN) and isinstance(node.right, tree.ListOf):
            item = self.value(node.left)
            found = either(*(equal(self.value(element), item) for element in node.right.items))
            return found if node.op is tree.Op.IN else opposite(found)
        return bounded(compare(node.op, self.value(node.left), self.value(node.right)))

    def _arithmetic(self, node: tree.Arithmetic) -> Value:
        value = self.value(node.first)
        for sign, operand_node in node.rest:
            other = self.value(operand_node)
            match sign:
                case Sign.ADD:
                    value = arithmetic_sum(value, other)
                case Sign.DIV:
                    value = quotient(value, other)
                case _:
                    a, b = operand(value), operand(other)
                    value = Value(
                        sql=f"({a.sql} {sign} {b.sql})", kind=Kind.NUMBER, known=all_of(a.known, b.known)
                    )
            value = kept_short(value)
        return value

    def _negated(self, node: tree.Negate) -> Value:
        number = operand(self.value(node.of))
        return kept_short(
            Value(sql=f"(- {number.sql})", kind=Kind.NUMBER, known=number.known, small=number.small)
        )

    def _choice(self, node: tree.Choice) -> Value:
        condition, then, otherwise = (
            self.truth(node.condition),
            self.value(node.then),
            self.value(node.otherwise),
        )
        if then.kind is not otherwise.kind:
            then, otherwise = as_json(then), as_json(otherwise)
        picked = f"(CASE WHEN {condition.surely} THEN {then.sql} ELSE {otherwise.sql} END)"
        known = f"(CASE WHEN {condition.surely} THEN {then.known} ELSE {otherwise.known} END)"
        if then.known == otherwise.known:
            known = then.known
        return kept_short(
            Value(
                sql=picked,
                kind=then.kind,
                known=all_of(condition.known, known),
                scalar=then.scalar and otherwise.scalar,
                small=then.small and otherwise.small,
            )
        )

    def _chosen(self, node: tree.Choice) -> Condition:
        condition, then, otherwise = (
            self.truth(node.condition),
            self.truth(node.then),
            self.truth(node.otherwise),
        )
        surely = any_of(
            all_of(condition.surely, then.surely), all_of(negated(condition.maybe), otherwise.surely)
        )
        maybe = any_of(
            all_of(condition.maybe, then.maybe), all_of(negated(condition.surely), otherwise.maybe)
        )
        return bounded(Condition(surely, maybe))

    def _in_audience(self, name: str) -> Condition:
        if self._folding is None or self._depth >= _DEEPEST:
            return PERHAPS
        audience = self._given.audiences.get(name)
        if audience is not None and audience.where is not None:
            return self._deeper().truth(audience.where.node)
        return Condition.exactly(
            "EXISTS (SELECT FROM membership m WHERE m.profile_id = p.id"
            f" AND m.audience = {self._params.text(name)})"
        )
