"""What definitions refer to: audiences, templates, topics, steps and journeys that must exist."""

from collections.abc import Callable, Iterable, Iterator

from engage.domain.expression import Expression
from engage.domain.steps import VERBS
from engage.project.compiled import CompiledAt, compiled_at
from engage.project.kinds import Definition, Kind
from engage.project.law_files import BUILT_IN
from engage.project.problem import Problem
from engage.project.proofs.outline import CHANNELS, Outline, SendAt, StepAt, is_computed, text_at
from engage.project.surroundings import Surroundings
from engage.project.words.suggest import did_you_mean, nearest
from engage.project.yaml.nodes import Document, ListNode, Mapping, Node, Position, Scalar
from engage.project.yaml.offsets import locate

ALL_VERBS = frozenset(VERBS) | CHANNELS | {"reach", "webhook", "sync", "handoff"}
_INSTEAD = {"mms": "sms", "chat": "sms"}
"""Channels that may use another one's template file where they have none of their own."""
_STATUS_STEPS = CHANNELS | {"reach", "handoff"}


def references(definitions: Iterable[Definition], around: Surroundings) -> list[Problem]:
    """Return everything that the definitions of a project refer to and that is not there."""
    found: list[Problem] = []
    for definition in definitions:
        if definition.document is None:
            continue
        checker = _Checker(definition, definition.document, around)
        found.extend(checker.problems())
    found.extend(_circles(definitions, around))
    return found


class _Checker:
    def __init__(self, definition: Definition, document: Document, around: Surroundings) -> None:
        self.definition = definition
        self.document = document
        self.around = around
        self.root = document.root

    def problems(self) -> Iterator[Problem]:
        if self.definition.form is not None:
            for found in compiled_at(self.definition.form, self.root):
                if isinstance(
                    found.node, Scalar
                ):  # else the form made it up, of a name that is looked at by itself
                    yield from self._compiled(found)
        if self.definition.kind is Kind.JOURNEY:
            yield from self._journey()
        if self.definition.kind is Kind.SETTINGS:
            yield from self._settings()

    def _problem(self, at: Position, message: str, hint: str = "") -> Problem:
        return Problem(path=self.definition.path, line=at.line, column=at.column, message=message, hint=hint)

    # --- inside expressions and texts

    def _compiled(self, found: CompiledAt) -> Iterator[Problem]:
        for audience in sorted(found.compiled.reads.audiences):
            if audience not in self.around.names[Kind.AUDIENCE]:
                yield self._problem(self._word(found, audience), *self._unknown(Kind.AUDIENCE, audience))
        for channel, topic in sorted(found.compiled.reads.consents):
            yield from self._topic_named(topic, lambda topic=topic: self._word(found, topic))  # type: ignore[misc]  # default argument binds the loop's value
            if channel not in CHANNELS:
                yield self._problem(
                    self._word(found, channel), f"`{channel}` is no channel", did_you_mean(channel, CHANNELS)
                )

    def _word(self, found: CompiledAt, word: str) -> Position:
        """Return where a name stands inside an expression."""
        offset = found.compiled.source.find(word)
        if isinstance(found.node, Scalar) and offset >= 0:
            return locate(found.node, self.document.lines, offset)
        return found.node.position

    def _unknown(self, kind: Kind, name: str) -> tuple[str, str]:
        return f"there is no {kind} `{name}`", did_you_mean(name, self.around.names[kind], what="there are")

    def _topic_named(self, topic: str, at: Callable[[], Position]) -> Iterator[Problem]:
        settings = self.around.settings
        if settings is not None and settings.topics and topic not in settings.topics:
            yield self._problem(
                at(),
                f"there is no topic `{topic}`",
                did_you_mean(topic, settings.topics, what="settings name"),
            )

    # --- journeys

    def _journey(self) -> Iterator[Problem]:
        outline = Outline(self.root, ALL_VERBS)
        topic = text_at(self.root, "topic")
        if topic is not None:
            yield from self._topic_named(str(topic.data), lambda: topic.position)
        trigger = self.root.child("trigger")
        for keys in (("audience", "entered"), ("audience", "left"), ("schedule", "audience")):
            yield from self._named(Kind.AUDIENCE, text_at(trigger, *keys))
        exits = self.root.child("exit_when")
        for rule in exits.children if isinstance(exits, ListNode) else ():
            yield from self._named(Kind.AUDIENCE, text_at(rule, "audience_left"))
        by_id = {step.id: step for step in outline.walk() if step.id is not None}
        for step in outline.walk():
            yield from self._step(step, by_id)
            for send in step.sends():
                yield from self._send(send, has_topic=topic is not None)
        yield from self._migration(by_id)

    def _named(self, kind: Kind, node: Scalar | None) -> Iterator[Problem]:
        if node is not None and not is_computed(node) and node.data not in self.around.names[kind]:
            yield self._problem(node.position, *self._unknown(kind, str(node.data)))

    def _step(self, step: StepAt, by_id: dict[str, StepAt]) -> Iterator[Problem]:
        match step.verb:
            case "add_to" | "remove_from":
                yield from self._manual(step)
            case "start":
                yield from self._start(step)
            case "subscribe" | "unsubscribe":
                topic = step.text("topic")
                if topic is not None and not is_computed(topic):
                    yield from self._topic_named(str(topic.data), lambda: topic.position)
            case "set":
                yield from self._computed(step)
            case "wait_for":
                for node in _step_references(step):
                    yield from self._step_named(node, by_id)
            case _:
                pass

    def _manual(self, step: StepAt) -> Iterator[Problem]:
        if not isinstance(step.value, Scalar):
            return
        yield from self._named(Kind.AUDIENCE, step.value)
        audience = self.around.audiences.get(str(step.value.data))
        if audience is not None and not audience.manual:
            yield self._problem(
                step.value.position,
                f"`{audience.audience}` has a rule: nobody is put in or taken out by hand",
                "only audiences with `members: manual` can be changed by a step",
            )

    def _start(self, step: StepAt) -> Iterator[Problem]:
        target = step.value if isinstance(step.value, Scalar) else step.text("journey")
        if target is None:
            return
        yield from self._named(Kind.JOURNEY, target)
        journey = self.around.journeys.get(str(target.data))
        if journey is not None and not journey.trigger.api:
            yield self._problem(
                target.position,
                f"`{target.data}` cannot be started",
                "its trigger must be `trigger: {api: true}`",
            )

    def _computed(self, step: StepAt) -> Iterator[Problem]:
        for name in step.value.keys if isinstance(step.value, Mapping) else ():
            if name in self.around.names[Kind.TRAIT]:
                at = step.value.key_position(name) if isinstance(step.value, Mapping) else None
                yield self._problem(
                    at or step.position,
                    f"`{name}` is a computed trait: writing it is refused",
                    "give it another name",
                )

    def _step_named(self, node: Scalar, by_id: dict[str, StepAt]) -> Iterator[Problem]:
        named = by_id.get(str(node.data))
        if named is None:
            known = [str(name) for name in by_id]
            hint = did_you_mean(str(node.data), known, what="written ids") or "give that step an `id`"
            yield self._problem(node.position, f"no step of this journey has the id `{node.data}`", hint)
        elif named.verb not in _STATUS_STEPS:
            yield self._problem(
                node.position,
                f"`{node.data}` is a `{named.verb}`: it has no status",
                "name a step that sends",
            )

    def _send(self, send: SendAt, *, has_topic: bool) -> Iterator[Problem]:
        settings = self.around.settings
        topic = send.topic
        if topic is not None and not is_computed(topic):
            yield from self._topic_named(str(topic.data), lambda: topic.position)
        elif topic is None and not has_topic and settings is not None and settings.topics:
            yield self._problem(
                send.position,
                "a send without a topic",
                "add `topic:` to the step or the journey; settings name topics",
            )
        if send.template is not None:
            yield from self._template(send, send.template)

    def _template(self, send: SendAt, node: Scalar) -> Iterator[Problem]:
        name = str(node.data)
        template = self.around.templates.get(name)
        if name in self.around.half_read:
            return
        if template is None:
            near = nearest(name, self.around.templates)
            hint = f"did you mean `{near}`?" if near else f"make a folder `templates/{name}/`, or use `text:`"
            yield self._problem(node.position, f"there is no template `{name}`", hint)
            return
        channels = template.channels()
        if send.channel not in channels and _INSTEAD.get(send.channel) not in channels:
            yield self._problem(
                node.position,
                f"the template `{name}` has nothing for {send.channel}",
                f"add `templates/{name}/{_first_file(send.channel)}`",
            )
            return
        required = template.files.get("meta.yaml")
        wanted = required.get("required") if isinstance(required, dict) else None
        for variable in wanted if isinstance(wanted, list) else ():
            if variable not in send.given:
                yield self._problem(
                    node.position,
                    f"the template `{name}` requires `{variable}`",
                    f"add it: `with: {{{variable}: …}}`",
                )

    def _migration(self, by_id: dict[str, StepAt]) -> Iterator[Problem]:
        migrate = self.root.child("migrate")
        steps = None if migrate is None else migrate.child("steps")
        for node in steps.children.values() if isinstance(steps, Mapping) else ():
            target = node.value()
            if isinstance(target, str) and target != "exit" and target not in by_id:
                known = [str(name) for name in by_id]
                hint = did_you_mean(target, [*known, "exit"], what="written ids")
                yield self._problem(node.position, f"no step of this journey has the id `{target}`", hint)

    # --- settings

    def _settings(self) -> Iterator[Problem]:
        packs, known = self.root.child("law"), {*BUILT_IN, *self.around.names[Kind.LAW]}
        for pack in packs.children if isinstance(packs, ListNode) else ():
            if isinstance(pack, Scalar) and pack.data not in known:
                hint = did_you_mean(str(pack.data), known, what="there are")
                yield self._problem(pack.position, f"there is no rule pack `{pack.data}`", hint)
        caps = self.root.child("caps")
        for cap in caps.children if isinstance(caps, ListNode) else ():
            topic = text_at(cap, "topic")
            if topic is not None:
                yield from self._topic_named(str(topic.data), lambda topic=topic: topic.position)  # type: ignore[misc]  # default argument binds the loop's value


def _step_references(step: StepAt) -> Iterator[Scalar]:
    branches = step.value.child("branches")
    items: list[Node] = [step.value, *(branches.children if isinstance(branches, ListNode) else [])]
    for item in items:
        node = item.child("step")
        if isinstance(node, Scalar) and isinstance(node.data, str):
            yield node


def _first_file(channel: str) -> str:
    return {"email": "email.html", "voice": "voice.yaml", "whatsapp": "whatsapp.yaml"}.get(
        channel, f"{channel}.txt"
    )


def _circles(definitions: Iterable[Definition], around: Surroundings) -> Iterator[Problem]:
    """Point out audiences and computed traits that are defined by themselves, directly or by way of others."""
    reads = {**_reads_of(around)}
    places = {(definition.kind, definition.name): definition for definition in definitions}
    told: set[frozenset[tuple[Kind, str]]] = set()
    for start in sorted(reads):
        circle = _circle(start, reads)
        if circle is None or frozenset(circle) in told:
            continue
        told.add(frozenset(circle))
        definition = places[start]
        assert definition.document is not None  # it has a form
        key = "where" if start[0] is Kind.AUDIENCE else "value"
        at = definition.document.at((key,))
        shown = " → ".join(f"`{name}`" for _, name in [*circle, start])
        yield Problem(
            path=definition.path,
            line=at.line,
            column=at.column,
            message=f"`{start[1]}` is defined by itself: {shown}",
            hint="leave one of them out",
        )


def _reads_of(around: Surroundings) -> dict[tuple[Kind, str], list[tuple[Kind, str]]]:
    expressions: dict[tuple[Kind, str], Expression] = {
        **{
            (Kind.AUDIENCE, name): form.where
            for name, form in around.audiences.items()
            if form.where is not None
        },
        **{(Kind.TRAIT, name): form.value for name, form in around.traits.items()},
    }
    return {
        key: [
            *((Kind.AUDIENCE, name) for name in sorted(expression.reads.audiences)),
            *((Kind.TRAIT, name) for name in sorted(expression.reads.traits) if name in around.traits),
        ]
        for key, expression in expressions.items()
    }


def _circle(
    start: tuple[Kind, str], reads: dict[tuple[Kind, str], list[tuple[Kind, str]]]
) -> list[tuple[Kind, str]] | None:
    """Return a shortest way from `start` back to itself."""
    ways = [[start]]
    seen: set[tuple[Kind, str]] = set()
    while ways:
        way = ways.pop(0)
        for following in reads.get(way[-1], ()):
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None
