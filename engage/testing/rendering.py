"""Rendering for scenarios: templates compiled once for all scenarios that have the same ones."""

from collections.abc import Mapping

from engage.ports.templating import Renderer
from engage.project.template_files import SHARED, TemplateSource
from engage.templating import TemplateSource as Compilable
from engage.templating import compile_templates
from engage.testing.errors import ScenarioError


class Renderers:
    """Renderers by the templates they were made of."""

    def __init__(self) -> None:
        self._made: dict[frozenset[int], tuple[Renderer, tuple[TemplateSource, ...]]] = {}

    def of(self, templates: Mapping[str, TemplateSource]) -> Renderer:
        """Return the renderer of these templates.

        Raises:
            ScenarioError: one of them is wrong; the text says where.
        """
        key = frozenset(map(id, templates.values()))
        known = self._made.get(key)
        if known is None:
            # The sources are kept beside the renderer, so that no other one can get the identity of one of them.
            known = self._made[key] = (_compiled(templates), tuple(templates.values()))
        return known[0]


def _compiled(templates: Mapping[str, TemplateSource]) -> Renderer:
    shared = templates.get(SHARED)
    partials = (
        {} if shared is None else {n: text for n, text in shared.files.items() if isinstance(text, str)}
    )
    sources = [_compilable(source) for name, source in templates.items() if name != SHARED]
    renderer, problems = compile_templates(sources, partials, _secret)
    wrong = [str(problem) for problem in problems if not problem.is_warning]
    if wrong:
        raise ScenarioError("\n".join(["templates have mistakes:", *wrong]))
    return renderer


def _secret(name: str) -> str:
    """Return what `secret('NAME')` is in a scenario: its name, so that no real one ever stands in a test's output."""
    return name


def _compilable(source: TemplateSource) -> Compilable:
    texts = {name: content for name, content in source.files.items() if isinstance(content, str)}
    documents = {name: content for name, content in source.files.items() if isinstance(content, dict)}
    return Compilable(
        name=source.name,
        files=texts,
        meta=documents.pop("meta.yaml", {}),
        voice=documents.pop("voice.yaml", None),
        documents=documents,
    )
