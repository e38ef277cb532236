"""A scenario document as a typed value: names resolved to forms, ranges expanded, offsets to instants."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from engage.domain.audience.audience import Audience, ComputedTrait, audience_of, trait_of
from engage.domain.forms import mistake
from engage.domain.journey.journey import Journey
from engage.domain.project_settings import ProjectSettings
from engage.project.problem import Problem, in_order
from engage.project.scenario.items import ITEMS, Item, Publish
from engage.project.scenario.ranges import RangeError, expand
from engage.project.scenario.values import Clock, Instant, Json, Part, Words
from engage.project.template_files import SHARED, TemplateSource, file_name, inline_template
from engage.project.template_forms import FILES, STEMS, not_a_file
from engage.project.validate import validate
from engage.project.words.suggest import did_you_mean, nearest
from engage.project.yaml.nodes import Document, ListNode, Mapping, Node, Position

DEFAULT_START = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""A Monday noon: where a scenario that names no `start` begins."""

FormT = TypeVar("FormT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Splits fixed by hand: `arms[step id][person]`; `holdout`: exactly these are held out, none: nobody is."""

    arms: dict[str, dict[str, str]] = field(default_factory=dict)
    holdout: frozenset[str] = frozenset()


def _choices(value: object) -> Choices:
    if not isinstance(value, dict):
        raise mistake("`choose` is a mapping", "write `choose: {pick: {ada: a}, holdout: [bob]}`")
    whole: dict[str, Any] = expand(value)[0]
    held = whole.get("holdout", [])
    arms = {step: people for step, people in whole.items() if step != "holdout"}
    if not isinstance(held, list) or not all(isinstance(person, str) for person in held):
        raise mistake("`holdout` is a list of people")
    for step, people in arms.items():
        if not isinstance(people, dict) or not all(isinstance(arm, str) for arm in people.values()):
            raise mistake(f"`{step}` names an arm for each person", f"write `{step}: {{ada: a}}`")
    return Choices(arms=arms, holdout=frozenset(held))


class ScenarioForm(Part):
    """The keys of a scenario document; documents inside it and the timeline are read one by one."""

    scenario: Annotated[str, Field(min_length=1)]
    description: str = ""
    start: Instant = DEFAULT_START
    use: Words = ()
    audiences: Json = {}
    traits: Json = {}
    journeys: tuple[Any, ...] = ()
    templates: dict[str, Json] = {}
    settings: Json | None = None
    published: Words | None = None
    choose: Annotated[Choices, BeforeValidator(_choices), WithJsonSchema({"type": "object"})] = Choices()
    timeline: tuple[Any, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One test, ready to run. `settings` is None where the scenario has none of its own."""

    name: str
    path: str
    line: int
    start: datetime
    use: tuple[str, ...]
    audiences: tuple[Audience, ...]
    traits: tuple[ComputedTrait, ...]
    journeys: tuple[Journey, ...]
    templates: tuple[TemplateSource, ...]
    settings: ProjectSettings | None
    published: frozenset[str] | None
    """Names; None: everything."""
    choices: Choices
    timeline: tuple[Item, ...]
    """In order of time, then of the file; ranges expanded."""
    documents: dict[tuple[str, str], dict[str, Any]]
    """Plain data of the documents written inline, by kind (`journey`, `audience`, `trait`) and name."""
    template_places: dict[str, Position]
    """Where the files of the inline templates stand, by `template/file`."""


class ScenarioReader:
    """Reads one document as a scenario. Use once; `problems` holds what is wrong with it.

    `ranged`: whether its file holds ranges (`u{1..100}`) at all.
    """

    def __init__(self, document: Document, *, ranged: bool = True) -> None:
        self.document = document
        self.ranged = ranged
        self.problems: list[Problem] = []
        self._documents: dict[tuple[str, str], dict[str, Any]] = {}
        self._places: dict[str, Position] = {}

    def read(self) -> Scenario | None:
        """Return the scenario, or None if there are problems."""
        try:
            form, problems = validate(ScenarioForm, self.document)
        except RangeError as exc:
            form, problems = None, [self._problem(self.document.at(("choose",)), str(exc))]
        self.problems.extend(problems)
        root = self.document.root
        if not isinstance(root, Mapping):
            return None
        audiences = self._named(Audience, "audiences", audience_of)
        traits = self._named(ComputedTrait, "traits", trait_of)
        journeys = self._journeys()
        settings = self._settings()
        templates = self._templates()
        timeline = self._timeline(form.start if form is not None else DEFAULT_START)
        self.problems = in_order(self.problems)
        if form is None or self.problems:
            return None
        return Scenario(
            name=form.scenario,
            path=self.document.path,
            line=root.position.line,
            start=form.start,
            use=form.use,
            audiences=audiences,
            traits=traits,
            journeys=journeys,
            templates=templates,
            settings=settings,
            published=None if form.published is None else frozenset(form.published),
            choices=form.choose,
            timeline=timeline,
            documents=self._documents,
            template_places=self._places,
        )

    def _problem(self, at: Position, message: str, hint: str = "") -> Problem:
        return Problem(path=self.document.path, line=at.line, column=at.column, message=message, hint=hint)

    def _form(self, form: type[FormT], node: Node, data: Any = None, context: Any = None) -> FormT | None:
        found, problems = validate(form, self.document, node=node, data=data, context=context)
        self.problems.extend(problems)
        return found

    def _part(self, key: str) -> Node | None:
        return self.document.root.child(key)

    def _named(self, form: type[FormT], key: str, whole: Any) -> tuple[FormT, ...]:
        part = self._part(key)
        found: list[FormT] = []
        if isinstance(part, Mapping):
            for name, node in part.children.items():
                data = whole(name, node.value())
                value = self._form(form, node, data)
                if value is not None:
                    found.append(value)
                    self._documents[key.removesuffix("s"), name] = data
        return tuple(found)

    def _journeys(self) -> tuple[Journey, ...]:
        part = self._part("journeys")
        nodes = part.children if isinstance(part, ListNode) else []
        found: list[Journey] = []
        for node in nodes:
            journey = self._form(Journey, node)
            if journey is None:
                continue
            if ("journey", journey.journey) in self._documents:
                self.problems.append(
                    self._problem(node.position, f"two journeys are called `{journey.journey}`")
                )
            self._documents["journey", journey.journey] = node.value()  # type: ignore[assignment]  # a mapping: it is a journey
            found.append(journey)
        return tuple(found)

    def _settings(self) -> ProjectSettings | None:
        part = self._part("settings")
        return self._form(ProjectSettings, part) if isinstance(part, Mapping) else None

    def _templates(self) -> tuple[TemplateSource, ...]:
        part = self._part("templates")
        if not isinstance(part, Mapping):
            return ()
        found: list[TemplateSource] = []
        for name, node in part.children.items():
            if not isinstance(node, Mapping):
                continue
            for stem, content in node.children.items():
                self._places[f"{name}/{file_name(stem, content.value())}"] = content.position
                if name != SHARED:
                    self._file_of(stem, content, node)
                if not isinstance(content.value(), str | dict):
                    self.problems.append(
                        self._problem(content.position, f"`{stem}` is the text of a template file")
                    )
            found.append(inline_template(name, node.value()))
        return tuple(found)

    def _file_of(self, stem: str, content: Node, node: Mapping) -> None:
        """Point out a stem that is no file of a template, and what is wrong with one that is a form."""
        form = FILES.get(stem.split(".")[0])
        if form is not None and isinstance(content, Mapping):
            self._form(form, content)
        hint = not_a_file(file_name(stem, content.value()))
        if hint is not None:
            at = node.key_position(stem) or content.position
            near = nearest(stem, STEMS)
            told = f"did you mean `{near}`?" if near else hint
            self.problems.append(self._problem(at, f"`{stem}` is no file of a template", told))

    def _timeline(self, start: datetime) -> tuple[Item, ...]:
        part = self._part("timeline")
        nodes = part.children if isinstance(part, ListNode) else []
        items: list[Item] = []
        clock = Clock(start)
        before: datetime | None = None
        for node in nodes:
            read = list(self._items(node, clock))
            if read and before is not None and read[0].at < before:
                self.problems.append(
                    self._problem(
                        node.position, "this item goes back in time", "items stand in the order of `at`"
                    )
                )
            before = read[0].at if read else before
            items.extend(read)
        return tuple(sorted(items, key=lambda item: item.at))

    def _items(self, node: Node, clock: Clock) -> Iterable[Item]:
        form = self._item_form(node)
        if form is None:
            return
        try:
            expanded = expand(node.value()) if self.ranged else [node.value()]
        except RangeError as exc:
            self.problems.append(self._problem(node.position, str(exc)))
            return
        line = node.position.line
        for data in expanded:
            item = self._form(form, node, data, clock)
            if item is None:
                return
            item._line = line
            if isinstance(item, Publish):
                self._publish(item, node)
            yield item

    def _item_form(self, node: Node) -> type[Item] | None:
        if not isinstance(node, Mapping):
            if node not in self.document.broken:
                self.problems.append(
                    self._problem(
                        node.position, "an item is a mapping", "write `- {at: 0s, track: ada, event: Name}`"
                    )
                )
            return None
        verbs = [key for key in node.keys if key in ITEMS]
        # `audience: beta, add: [ada]` beside `start: j, for: ada`: the first verb written is the item's.
        if len(verbs) > 1:
            shown = " and ".join(f"`{verb}`" for verb in verbs)
            self.problems.append(
                self._problem(
                    node.position, f"an item has one verb, this one has {shown}", "make two items of it"
                )
            )
            return None
        if verbs:
            return ITEMS[verbs[0]]
        strangers = [key for key in node.keys if key not in ("at", "id", "timestamp")]
        if node in self.document.broken:
            return None
        if not strangers:
            self.problems.append(
                self._problem(node.position, "an item needs a verb", "for instance `track` or `expect`")
            )
            return None
        self.problems.append(
            self._problem(
                node.key_position(strangers[0]) or node.position,
                f"unknown item `{strangers[0]}`",
                did_you_mean(strangers[0], ITEMS) or "one of: " + ", ".join(sorted(ITEMS)),
            )
        )
        return None

    def _publish(self, item: Publish, node: Node) -> None:
        below = node.child("publish")
        if isinstance(item.what, dict) and below is not None:
            form = next(form for key, form in _KINDS.items() if key in item.what)
            item._form = self._form(form, below, item.what)


_KINDS: dict[str, type[BaseModel]] = {"journey": Journey, "audience": Audience, "trait": ComputedTrait}
