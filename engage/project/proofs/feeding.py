"""Proofs about rules that feed on what they cause: an audience writes events when somebody enters or leaves it."""

from collections.abc import Iterable, Iterator

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.expression import Expression
from engage.domain.expression.reads import Reads, union
from engage.domain.expression.tree import Aggregate, Node, Sequence, children
from engage.domain.forms import names_match
from engage.project.kinds import Definition, Kind
from engage.project.problem import Level, Problem
from engage.project.surroundings import Surroundings

_WRITTEN = ("Audience Entered", "Audience Exited")


def feeding_proofs(definitions: Iterable[Definition], around: Surroundings) -> Iterator[Problem]:
    """Point out rules that count the events which their own answer writes."""
    for definition in definitions:
        rule = _rule_of(definition)
        if rule is None or definition.document is None:
            continue
        fed = next((name for name in _unchosen(rule.node) if _any_of(name)), None)
        if fed is None or not _writes(definition, around):
            continue
        at = definition.document.at(("where" if definition.kind is Kind.AUDIENCE else "value",))
        yield Problem(
            path=definition.path,
            line=at.line,
            column=at.column,
            message=f"`{fed}` counts `Audience Entered` and `Audience Exited` too, which `{definition.name}` itself causes",
            hint="name the events that are meant, or choose: `where=event.audience_key == '…'`",
            level=Level.WARNING,
        )


def reads_of(audience: str, around: Surroundings) -> Reads:
    """Return everything that decides about membership, by way of other audiences and computed traits too."""
    rules: dict[tuple[Kind, str], Expression | None] = {}
    open_ = [(Kind.AUDIENCE, audience)]
    while open_:
        kind, name = open_.pop()
        if (kind, name) in rules:
            continue
        if kind is Kind.AUDIENCE:
            form = around.audiences.get(name)
            rule = None if form is None else form.where
        else:
            trait = around.traits.get(name)
            rule = None if trait is None else trait.value
        rules[kind, name] = rule
        if rule is not None:
            open_ += [(Kind.AUDIENCE, other) for other in rule.reads.audiences]
            open_ += [(Kind.TRAIT, other) for other in rule.reads.traits | rule.reads.changed_at]
    return union(rule.reads for rule in rules.values() if rule is not None)


def _rule_of(definition: Definition) -> Expression | None:
    form = definition.form
    if isinstance(form, Audience):
        return form.where
    return form.value if isinstance(form, ComputedTrait) else None


def _writes(definition: Definition, around: Surroundings) -> bool:
    """Whether the rule's own answer lets somebody enter or leave an audience."""
    if definition.kind is Kind.AUDIENCE:
        return True
    return any(definition.name in reads_of(name, around).traits for name in around.audiences)


def _unchosen(node: Node) -> Iterator[str]:
    """Yield the names of events that are counted whichever they are about."""
    counted = (
        (node.events,) if isinstance(node, Aggregate) else node.steps if isinstance(node, Sequence) else ()
    )
    yield from (events.name for events in counted if events.where is None)
    for child in children(node):
        yield from _unchosen(child)


def _any_of(name: str) -> bool:
    return any(names_match((name,), written) for written in _WRITTEN)
