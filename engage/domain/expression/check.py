"""What a tree reads, what type it has, and whether it may stand where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from engage.domain.expression import tree
from engage.domain.expression.change import change_of
from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.evaluate import PROFILE_IDS
from engage.domain.expression.foldable import Foldable, foldable
from engage.domain.expression.numbers import is_number
from engage.domain.expression.places import RULES, Place, Rules
from engage.domain.expression.reads import EventRead, Reads
from engage.domain.expression.tree import FilterName, Fold, Node, Op, Root

_TICK = timedelta(microseconds=1)
#: `where=` inside `where=`; one more would cost the cube of the history.
_DEEPEST_WHERE = 2


class Type(StrEnum):
    """What is known of a value before there is one."""

    #: A value of a profile, event or entry: anything JSON has, so never an instant.
    DATA = "a value as it was sent"
    TEXT = "a text"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    LIST = "a list"
    INSTANT = "an instant"
    NONE = "none"
    ANY = "anything"


@dataclass(slots=True)
class _Found:
    """Reads being collected."""

    traits: set[str] = field(default_factory=set)
    identifiers: set[str] = field(default_factory=set)
    events: dict[str, timedelta | None] = field(default_factory=dict)
    folds: set[Foldable] = field(default_factory=set)
    audiences: dict[str, int] = field(default_factory=dict)
    changed_at: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    consents: set[tuple[str, str]] = field(default_factory=set)
    names: dict[Root, set[str]] = field(default_factory=dict)
    entry_event: bool = False
    links: list[tree.Link] = field(default_factory=list)

    entered: set[str] = field(default_factory=set)

    def add_event(self, name: str, within: timedelta | None) -> None:
        if name in self.events:
            known = self.events[name]
            within = None if known is None or within is None else max(known, within)
        self.events[name] = within


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check finds out."""

    type: Type
    reads: Reads
    #: Every audience asked for, with the offset at which it is named.
    audiences: tuple[tuple[str, int], ...]


def check(node: Node, place: Place) -> Checked:
    """Return the type and the reads of an expression at `place`.

    Raises:
        ExpressionError: it uses a name or speaks of time in a way the place does not allow, or compares an instant
            with what cannot be one.
    """
    visitor = _Visitor(RULES[place])
    kind = visitor.visit(node)
    found = visitor.found
    entry_names = found.names.get(Root.ENTRY, set())
    reads = Reads(
        traits=frozenset(found.traits),
        identifiers=frozenset(found.identifiers),
        events=frozenset(EventRead(name, within) for name, within in found.events.items())
        | {EventRead(fold.name, folded=True) for fold in found.folds}
        | {EventRead(name, entered=True) for name in found.entered},
        folds=frozenset(found.folds),
        audiences=frozenset(found.audiences),
        changed_at=frozenset(found.changed_at),
        secrets=frozenset(found.secrets),
        consents=frozenset(found.consents),
        subscriptions=bool(found.consents),
        event=Root.EVENT in found.names,
        entry=Root.ENTRY in found.names or found.entry_event,
        run=Root.RUN in found.names,
        run_names=frozenset(found.names.get(Root.RUN, set())),
        entry_names=frozenset(entry_names),
        links=bool(found.links),
        now=change_of(node) is not None,
    )
    if found.links and reads.sees_more_than_values:
        raise _mixed(found.links[0])
    return Checked(kind, reads, tuple(found.audiences.items()))


class _Visitor:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.found = _Found()
        self._counting = 0

    def visit(self, node: Node) -> Type:
        """Return the type of `node` and collect what it reads."""
        match node:
            case tree.Literal():
                return _literal(node)
            case tree.Path():
                return self._path(node)
            case tree.Clock():
                return self._clock(node)
            case tree.Compare():
                return self._compare(node)
            case tree.Aggregate():
                return self._aggregate(node)
            case tree.Filtered():
                return self._filtered(node)
            case tree.Choice():
                self.visit(node.condition)
                return _either(self.visit(node.then), self.visit(node.otherwise))
            case tree.Member():
                of = self.visit(node.of)
                return of if of in (Type.DATA, Type.ANY) else Type.DATA
            case tree.Sequence():
                for step in node.steps:
                    self._events(step)
                return Type.BOOLEAN
            case _:
                return self._simple(node)

    def _simple(self, node: Node) -> Type:
        for child in tree.children(node):
            self.visit(child)
        match node:
            case tree.ListOf():
                return Type.LIST
            case tree.EntryEvent():
                self._allow(self.rules.entry, "entry_event", node.at)
                self.found.entry_event = True
                return Type.TEXT
            case tree.Arithmetic() | tree.Negate():
                return Type.ANY
            case tree.InAudience():
                self.found.audiences.setdefault(node.audience, node.at)
            case tree.Subscribed():
                self.found.consents.add((node.channel, node.topic))
            case tree.ChangedAt():
                self.found.changed_at.add(node.trait)
                return Type.INSTANT
            case tree.Bucket():
                return Type.NUMBER
            case tree.Secret():
                self._secret(node)
                return Type.TEXT
            case tree.Link():
                self._allow(self.rules.message, node.name, node.at)
                self.found.links.append(node)
                return Type.TEXT
            case _:
                pass
        return Type.BOOLEAN

    def _allow(self, allowed: bool, name: str, at: int) -> None:
        if not allowed:
            raise ExpressionError(
                f"`{name}` is not known in {self.rules.label}",
                hint=_ELSEWHERE.get(name, "messages have it: their texts and templates"),
                offset=at,
            )

    def _path(self, node: tree.Path) -> Type:
        first = node.keys[:1]
        match node.root:
            case Root.PROFILE:
                (self.found.identifiers if first[0] in PROFILE_IDS else self.found.traits).add(first[0])
                return Type.DATA
            case Root.EVENT:
                if self._counting:
                    return Type.DATA
                self._allow(self.rules.event, "event", node.at)
            case Root.ENTRY:
                self._allow(self.rules.entry, "entry", node.at)
            case Root.RUN:
                self._allow(self.rules.run, "run", node.at)
            case Root.WITH:
                self._allow(self.rules.message, "with", node.at)
        self.found.names.setdefault(node.root, set()).update(first)
        if node.root is Root.RUN:
            return _RUN_TYPES.get(node.keys, Type.ANY)
        return Type.DATA

    def _secret(self, node: tree.Secret) -> None:
        if not self.rules.secret:
            raise ExpressionError(
                f"`secret('{node.name}')` is not known in {self.rules.label}",
                hint="secrets stand in the headers and body of a webhook and in voice scripts only",
                offset=node.at,
            )
        self.found.secrets.add(node.name)

    def _clock(self, node: tree.Clock, *, is_bound: bool = False, is_compared: bool = False) -> Type:
        if self.rules.timed and not is_bound and not (is_compared and node.word != "now"):
            hint = "time may be written as `… < ago('3 days')`, `… > ahead('3 days')` or with `within since before`"
            if is_compared:
                hint = "compare with `ago('3 days')` or `ahead('3 days')`; this very instant is `ago('0 seconds')`"
            what = f"`{node.word}` cannot stand here in {self.rules.label}"
            raise ExpressionError(what, hint=hint, offset=node.at)
        return Type.INSTANT

    def _compare(self, node: tree.Compare) -> Type:
        sides = (node.left, node.right)
        is_membership = node.op in (Op.IN, Op.NOT_IN)
        types = [
            self._clock(side, is_compared=not is_membership)
            if isinstance(side, tree.Clock)
            else self.visit(side)
            for side in sides
        ]
        if not is_membership:
            for (side, kind), other in zip(zip(sides, types, strict=True), reversed(types), strict=True):
                if other is Type.INSTANT and kind in _NEVER_INSTANTS:
                    raise _not_an_instant(side, kind)
        return Type.BOOLEAN

    def _filtered(self, node: tree.Filtered) -> Type:
        of = self.visit(node.of)
        arguments = [self.visit(argument) for argument in node.args]
        match node.name:
            case FilterName.DATE:
                if not _is_fixed(node.of):
                    self.found.traits.add("timezone")
                return Type.INSTANT
            case FilterName.DEFAULT:
                return _either(of, arguments[0])
            case FilterName.LENGTH | FilterName.NUMBER | FilterName.ROUND | FilterName.ABS:
                return Type.NUMBER
            case FilterName.HEAD | FilterName.TAIL:
                return Type.DATA if of is Type.INSTANT else of
            case _:
                return Type.TEXT

    def _aggregate(self, node: tree.Aggregate) -> Type:
        self._events(node.events, foldable(node))
        match node.fold:
            case Fold.FIRST | Fold.LAST:
                return Type.INSTANT if node.prop is None else Type.DATA
            case Fold.DID:
                return Type.BOOLEAN
            case Fold.VALUES:
                return Type.LIST
            case Fold.MODE:
                return Type.DATA
            case _:
                return Type.NUMBER

    def _events(self, events: tree.Events, fold: Foldable | None = None) -> None:
        oldest = events.within
        for name, bound in (("since", events.since), ("before", events.before)):
            if bound is None:
                continue
            kind = self._clock(bound, is_bound=True) if isinstance(bound, tree.Clock) else self.visit(bound)
            if kind not in (Type.INSTANT, Type.ANY):
                hint = (
                    "add `| date`" if kind in (Type.DATA, Type.TEXT) else "write for example `ago('3 days')`"
                )
                raise ExpressionError(f"`{name}` must be an instant, not {kind}", hint=hint, offset=bound.at)
            if name == "since" and isinstance(bound, tree.Clock) and bound.shift <= timedelta(0):
                # `since` is inclusive, an age of exactly the shift still matters.
                age = _TICK - bound.shift
                oldest = age if oldest is None else min(oldest, age)
        if fold is not None:
            self.found.folds.add(fold)
        elif oldest is None and _is_entry(events.since):
            self.found.entered.add(events.name)
        else:
            self.found.add_event(events.name, oldest)
        if events.where is not None:
            self._counting += 1
            if self._counting > _DEEPEST_WHERE:
                # Each level multiplies the work by the length of the history.
                hint = "move the inner condition into a computed trait or an audience"
                raise ExpressionError("`where=` is nested too deeply", hint=hint, offset=events.where.at)
            self.visit(events.where)
            self._counting -= 1


def _is_entry(bound: Node | None) -> bool:
    return isinstance(bound, tree.Path) and (bound.root, bound.keys) == (Root.RUN, ("entered_at",))


_NEVER_INSTANTS = frozenset({Type.DATA, Type.TEXT, Type.NUMBER, Type.BOOLEAN, Type.LIST})
_RUN_TYPES: dict[tuple[str, ...], Type] = {("entered_at",): Type.INSTANT, ("key",): Type.TEXT}
_ELSEWHERE = {
    "event": "`event` is the event being looked at in `where`, `key` and `value`, and inside `count(…, where=…)`",
    "entry": "`entry` is what started a run",
    "entry_event": "`entry_event` names the event that started a run",
    "run": "`run` begins when a person has entered a journey",
}


def _mixed(link: tree.Link) -> ExpressionError:
    return ExpressionError(
        f"`{link.name}` is made when the message leaves, what a person did or is in is looked up before",
        hint="write them as two expressions",
        offset=link.at,
    )


def _literal(node: tree.Literal) -> Type:
    value = node.value
    if value is None:
        return Type.NONE
    if isinstance(value, bool):
        return Type.BOOLEAN
    return Type.NUMBER if is_number(value) else Type.TEXT


def _either(a: Type, b: Type) -> Type:
    if a is b or b is Type.NONE:
        return a
    return b if a is Type.NONE else Type.ANY


def _is_fixed(node: Node) -> bool:
    """Whether `| date` of this cannot depend on a zone: a literal that is not a bare date."""
    return isinstance(node, tree.Literal) and (not isinstance(node.value, str) or not _is_day(node.value))


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 -- only its form matters
    except ValueError:
        return False
    return True


def _not_an_instant(side: Node, kind: Type) -> ExpressionError:
    hint = "add `| date`"
    if kind not in (Type.DATA, Type.TEXT):
        hint = "compare instants with instants"
    return ExpressionError(f"{kind} is compared with an instant", hint=hint, offset=side.at)
