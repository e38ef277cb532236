"""Proofs about words: carriers' keywords used as answers, and opens counted without asking who opened."""

import re
from collections.abc import Iterator

from engage.domain.expression import Expression
from engage.project.compiled import compiled_at
from engage.project.problem import Level, Problem
from engage.project.proofs.outline import text_at
from engage.project.proofs.subject import Subject, names_of
from engage.project.yaml.nodes import ListNode, Mapping, Node, Scalar

_KEYWORDS = "CANCEL|END|QUIT|STOP|STOPALL|UNSUBSCRIBE|REVOKE|OPTOUT"
_ASKED_FOR = re.compile(
    rf"(?i:\b(?:reply|text|answer|send|write))\s+(?i:back\s+|with\s+)?['\"“‘]?({_KEYWORDS})\b"
)
_MEANT = re.compile(
    r"(?i)opt.?out|unsubscribe|\bstop (?:these|this|all|getting|receiving|messages|texts|sms)|no (?:more|longer)"
)
_COMPARED = re.compile(rf"['\"^(|]({_KEYWORDS})['\"$)|]", re.IGNORECASE)
_MATCHED = re.compile(rf"(?i)(?:^|[\^(|?)\]])(?:\(\?i\))?({_KEYWORDS})\b")


def word_proofs(subject: Subject) -> Iterator[Problem]:
    """Yield what is doubtful about the words a definition uses."""
    root = subject.document.root
    if subject.definition.form is not None:
        for found in compiled_at(subject.definition.form, root):
            source = found.compiled.source
            if not isinstance(found.compiled, Expression):
                yield from _asked(subject, found.node, source)
                continue
            keyword = _COMPARED.search(source) if "body" in source else None
            if keyword is not None:
                yield _swallowed(subject, found.node, keyword[1])
            if "Email Opened" in source and "machine" not in source:
                yield _opened(subject, found.node)
    yield from _triggered(subject)
    yield from _opens(subject, root)
    yield from _templates(subject)


def _swallowed(subject: Subject, node: Node, keyword: str) -> Problem:
    return subject.warning(
        node.position,
        f"`{keyword.upper()}` is an opt-out keyword of the carriers: it unsubscribes before any journey sees it",
        "choose another word, such as `NO` or `CHANGE`",
    )


def _asked(subject: Subject, node: Node, text: str) -> Iterator[Problem]:
    for found in _ASKED_FOR.finditer(text):
        if not _MEANT.search(text[found.end() : found.end() + 60]):
            yield _swallowed(subject, node, found[1])


def _triggered(subject: Subject) -> Iterator[Problem]:
    matching = text_at(subject.document.root, "trigger", "inbound", "matching")
    keyword = None if matching is None else _MATCHED.search(str(matching.data))
    if matching is not None and keyword is not None:
        yield _swallowed(subject, matching, keyword[1])


def _opened(subject: Subject, node: Node) -> Problem:
    return subject.warning(
        node.position,
        "`Email Opened` also counts machines: privacy proxies open every mail",
        "add `where: not event.machine`, or wait for a click",
    )


def _opens(subject: Subject, node: Node) -> Iterator[Problem]:
    """Look for `event: Email Opened` beside which no `where` asks for the machine."""
    if isinstance(node, Mapping):
        event = node.child("event")
        where = node.child("where")
        asks = isinstance(where, Scalar) and "machine" in str(where.data)
        if (
            event is not None
            and "Email Opened" in names_of(event)
            and not asks
            and "properties" not in node.keys
        ):
            yield _opened(subject, event)
        for below in node.children.values():
            yield from _opens(subject, below)
    elif isinstance(node, ListNode):
        for below in node.children:
            yield from _opens(subject, below)


def _templates(subject: Subject) -> Iterator[Problem]:
    """Look at the texts of the templates a journey sends; the warning stands at the template's name."""
    told: set[str] = set()
    outline = subject.outline
    for step in outline.walk() if outline is not None else ():
        for send in step.sends():
            name = "" if send.template is None else str(send.template.data)
            template = subject.around.templates.get(name)
            if template is None or name in told:
                continue
            told.add(name)
            for file, content in template.files.items():
                if file.startswith(("sms", "mms", "whatsapp", "chat")):
                    for problem in _asked(subject, subject.document.root, str(content)):
                        yield _at_file(problem, f"templates/{name}/{file}")


def _at_file(problem: Problem, path: str) -> Problem:
    return Problem(
        path=path, line=1, column=1, message=problem.message, hint=problem.hint, level=Level.WARNING
    )
