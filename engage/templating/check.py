"""What can be said about a template before anybody gets it: unknown names, forbidden calls, the values it needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from jinja2 import nodes

from engage.templating.environment import PRICES, path_of
from engage.templating.filters import FILTERS, TESTS
from engage.templating.functions import FUNCTIONS

DATA = ("profile", "entry", "event", "run", "with")
NAMES = (*DATA, "now", "unsubscribe_url", "preferences_url", "view_url")
_DATES = "write a day with `| date | strftime('%d %B %Y')`, a number with `| fixed(2)`"
_ELSEWHERE = {
    **dict.fromkeys(
        ("format", "date_format", "dateformat", "format_date", "formatdate", "datetime", "time"), _DATES
    ),
    **dict.fromkeys(
        ("money", "currency", "number_format", "decimal", "floatformat"), "write money with `| fixed(2)`"
    ),
    **dict.fromkeys(("capfirst", "ucfirst"), "write `| capitalize`"),
    **dict.fromkeys(("nl2br", "newline_to_br", "linebreaks"), "write `| lines`"),
    **dict.fromkeys(("downcase", "lowercase"), "write `| lower`"),
    **dict.fromkeys(("upcase", "uppercase"), "write `| upper`"),
    **dict.fromkeys(("size",), "write `| length`"),
    **dict.fromkeys(("fallback", "ifempty", "coalesce"), "write `| default('…')`"),
}
"""What other programs call their filters, and what does the same here."""
_INSIDE = ("loop", "caller", "varargs", "kwargs", "super", "self")


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A value that a template reads."""

    path: str
    """`profile.first_name`, `with.code`"""
    line: int
    is_optional: bool
    """It is guarded by `default`, or the template asks whether it is there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in one source."""

    line: int
    message: str
    hint: str = ""


def findings(tree: nodes.Template, partials: Iterable[str], *, secrets: bool = False) -> list[Finding]:
    """Return the mistakes in a parsed source."""
    checker = _Checker(set(partials), secrets=secrets)
    checker.look(tree)
    return sorted(checker.found, key=lambda finding: finding.line)


def uses(tree: nodes.Template) -> list[Use]:
    """Return the values of the person, the run and the send that a parsed source reads."""
    looked_at = {path for node in _looked_at(tree) for path in _paths(node)}
    local = _local_names(tree)
    found: dict[str, Use] = {}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        path = path_of(node)
        root = path.partition(".")[0]
        if root in DATA and root not in local and "…" not in path:
            use = Use(path, node.lineno, is_optional=path in looked_at)
            found.setdefault(path, use)
    longer = {use.path.rpartition(".")[0] for use in found.values()}
    return sorted(use for use in found.values() if use.path not in longer)


def _looked_at(tree: nodes.Template) -> Iterator[nodes.Node]:
    """The parts of a source that ask whether something is there."""
    for branch in tree.find_all(nodes.If):
        yield branch.test
    for choice in tree.find_all(nodes.CondExpr):
        yield choice.test
    for test in tree.find_all(nodes.Test):
        yield test.node
    for either in tree.find_all(nodes.Or):
        yield either.left
    for filtered in tree.find_all(nodes.Filter):
        if filtered.name in {"default", "d"} and filtered.node is not None:
            yield filtered.node


def _paths(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        yield path_of(node)
    for inner in node.find_all((nodes.Getattr, nodes.Getitem)):
        yield path_of(inner)


def _local_names(tree: nodes.Template) -> set[str]:
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx in {"store", "param"}}
    names |= {macro.name for macro in tree.find_all(nodes.Macro)}
    for imported in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in imported.names}
    return names | {imported.target for imported in tree.find_all(nodes.Import)}


class _Checker:
    def __init__(self, partials: set[str], *, secrets: bool) -> None:
        self.found: list[Finding] = []
        self._partials = partials
        self._secrets = secrets
        self._known: set[str] = set()
        self._defaulted: set[int] = set()

    def look(self, tree: nodes.Template) -> None:
        self._known = _local_names(tree) | set(NAMES) | set(FUNCTIONS) | set(_INSIDE)
        for filtered in tree.find_all(nodes.Filter):
            if filtered.name in {"default", "d"} and filtered.node is not None:
                self._defaulted.add(id(filtered.node))
        for node in _all(tree):
            self._node(node)

    def _say(self, node: nodes.Node, message: str, hint: str = "") -> None:
        self.found.append(Finding(node.lineno, message, hint))

    def _node(self, node: nodes.Node) -> None:
        match node:
            case nodes.Name(ctx="load") if node.name not in self._known:
                self._say(node, f"`{node.name}` is not known", self._name_hint(node.name))
            case nodes.Filter() if node.name not in FILTERS and node.name not in PRICES:
                self._say(
                    node,
                    f"there is no filter `{node.name}`",
                    _ELSEWHERE.get(node.name) or _close(node.name, FILTERS),
                )
            case nodes.Test() if node.name not in TESTS:
                self._say(node, f"there is no test `is {node.name}`", _close(node.name, TESTS))
            case nodes.Getattr() if node.attr.startswith("_"):
                self._say(node, f"`{node.attr}` is not available", "names with `_` in front are hidden")
            case nodes.Call():
                self._call(node)
            case nodes.Include() | nodes.Extends() | nodes.Import() | nodes.FromImport():
                self._partial(node)
            case _:
                self._rest(node)

    def _rest(self, node: nodes.Node) -> None:
        match node:
            case nodes.CondExpr(expr2=None) if id(node) not in self._defaulted:
                self._say(node, "this `if` prints nothing when it is false", "add `else ''`")
            case nodes.Pow():
                self._say(node, "`**` is not available")
            case nodes.For(recursive=True):
                self._say(node, "`recursive` loops are not available")
            case nodes.EvalContextModifier():
                self._say(node, "escaping cannot be switched off here", "use `| safe` where you mean it")
            case nodes.Output():
                for child in node.nodes:
                    if isinstance(child, nodes.Const) and child.value is None:
                        self._say(child, "none cannot be printed")
            case _:
                pass

    def _call(self, node: nodes.Call) -> None:
        callee = node.node
        if isinstance(callee, nodes.Name):
            if callee.name == "secret" and not self._secrets:
                self._say(node, "`secret` may be used in `dial` only")
            return
        name = callee.attr if isinstance(callee, nodes.Getattr) else ""
        if isinstance(callee, nodes.Getattr) and isinstance(callee.node, nodes.Name):
            root = callee.node.name
            if root == "loop" or (root in self._known and root not in NAMES):
                return
        hint = f"use `| {name}`" if name in FILTERS else "only functions and macros can be called"
        self._say(node, f"`{name}(…)` is not available" if name else "this cannot be called", hint)

    def _partial(self, node: nodes.Include | nodes.Extends | nodes.Import | nodes.FromImport) -> None:
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if not isinstance(name, str):
            self._say(node, "a partial is named in quotes", "choose between partials with `if`")
        elif name not in self._partials and f"_shared/{name}" not in self._partials:
            self._say(node, f"there is no partial `{name}`", _close(name, self._partials))

    def _name_hint(self, name: str) -> str:
        close = get_close_matches(name, self._known - set(_INSIDE), 1)
        return f"did you mean `{close[0]}`?" if close else f"did you mean `profile.{name}`, or `'{name}'`?"


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _all(child)


def _close(name: str, known: Iterable[str] | Mapping[str, object]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"did you mean `{close[0]}`?" if close else ""
