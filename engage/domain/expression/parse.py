"""From source to tree: Jinja2's parser, then our own nodes; whatever the language has not is refused with its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from engage.domain.expression import tree
from engage.domain.expression.calls import Arguments, build_call, literal_text
from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.hints import FILTERS, FUNCTIONS, LINK_FUNCTIONS, LINKS, TESTS
from engage.domain.expression.lexing import MAX_DEPTH, Lexeme, lex, quoted_offset, stream, too_deep
from engage.domain.expression.numbers import is_number, negate
from engage.domain.expression.refusals import (
    count_arguments,
    member_key,
    only_plain_arguments,
    refused_form,
    refused_method,
    unknown_filter,
    unknown_function,
    unknown_name,
    unknown_test,
)
from engage.domain.expression.regex import check_regex
from engage.domain.expression.tree import FilterName, Node, Op, Root, Sign, TestName
from engage.domain.profile.spelling import trait_path

_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 -- nothing is rendered, only parsed
_OPS = {
    "eq": Op.EQ,
    "ne": Op.NE,
    "lt": Op.LT,
    "lteq": Op.LE,
    "gt": Op.GT,
    "gteq": Op.GE,
    "in": Op.IN,
    "notin": Op.NOT_IN,
}
_SIGNS: dict[type[nodes.BinExpr], Sign] = {
    nodes.Add: Sign.ADD,
    nodes.Sub: Sign.SUB,
    nodes.Mul: Sign.MUL,
    nodes.Div: Sign.DIV,
}
#: How many arguments a filter takes: fewest, most.
_FILTER_ARGUMENTS = {
    FilterName.DEFAULT: (1, 1),
    FilterName.ROUND: (0, 1),
    FilterName.JOIN: (0, 1),
    FilterName.HEAD: (1, 1),
    FilterName.TAIL: (1, 1),
    FilterName.EXTRACT: (1, 1),
}
_TESTS_OF_ONE = frozenset(
    {TestName.STARTING_WITH, TestName.ENDING_WITH, TestName.CONTAINING, TestName.MATCHING}
)
_ROOTS = {root.value: root for root in Root}


class _Parser(Parser):
    def __init__(self, source: str, lexemes: list[Lexeme]) -> None:
        super().__init__(_ENVIRONMENT, "", state="variable")
        self.stream = stream(source, lexemes)
        self._words = {lexeme.at: index for index, lexeme in enumerate(lexemes)}
        self._lexemes = lexemes

    def parse_test(self, node: nodes.Expr) -> nodes.Expr:
        # Jinja2 takes any word but `else or and` after a test for its argument: `x is present if y` and
        # `x is present in z` would lose their operator.
        if not self._is_bare_test():
            return super().parse_test(node)
        at = next(self.stream).lineno
        negated = self.stream.skip_if("name:not")
        tested = nodes.Test(node, next(self.stream).value, [], [], None, None, lineno=at)
        return nodes.Not(tested, lineno=at) if negated else tested

    def _is_bare_test(self) -> bool:
        index = self._words[self.stream.current.lineno] + 1
        kinds = [(lexeme.kind, lexeme.raw) for lexeme in self._lexemes[index : index + 3]]
        if kinds and kinds[0] == ("name", "not"):
            kinds = kinds[1:]
        takes_none = bool(kinds) and kinds[0][0] == "name" and kinds[0][1] in TESTS - _TESTS_OF_ONE
        return takes_none and (len(kinds) == 1 or kinds[1][0] != "lparen")


def parse(source: str) -> Node:
    """Return the tree of `source`.

    Raises:
        ExpressionError: it is not an expression of the language; message, hint and offset say why and where.
    """
    lexemes = lex(source)
    parser = _Parser(source, lexemes)
    try:
        parsed = parser.parse_expression()
    except TemplateSyntaxError as exc:
        raise _unparsed(exc.lineno, lexemes) from exc
    except RecursionError:
        raise too_deep(0) from None
    left_over = parser.stream.current
    if left_over.type != "eof":
        raise _unparsed(left_over.lineno, lexemes)
    try:
        return _Builder(lexemes).build(parsed, 1)
    except RecursionError:
        raise too_deep(0) from None


def _unparsed(at: int, lexemes: list[Lexeme]) -> ExpressionError:
    for index, lexeme in enumerate(lexemes):
        if lexeme.at == at:
            before = lexemes[index - 1].raw if index else ""
            if lexeme.kind == "comma":
                return ExpressionError(
                    "a comma does not fit here", hint="a list is written `['a', 'b']`", offset=at
                )
            after = f" after `{before}`" if before else " at the start"
            return ExpressionError(
                f"`{lexeme.raw}` does not fit{after}", hint="a value or operator is missing", offset=at
            )
    return ExpressionError(
        "the expression ends too early", hint="a value or a closing bracket is missing", offset=at
    )


class _Builder:
    """Turns Jinja2's nodes into ours."""

    def __init__(self, lexemes: list[Lexeme]) -> None:
        self._raw = {lexeme.at: lexeme.raw for lexeme in lexemes}

    def build(self, node: nodes.Node, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise too_deep(node.lineno)
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise refused_form(node)
        return handler(self, node, depth + 1)

    def build_all(self, items: list[nodes.Expr], depth: int) -> tuple[Node, ...]:
        return tuple(self.build(item, depth) for item in items)

    def constant(self, node: nodes.Const, _depth: int) -> Node:
        return tree.Literal(node.lineno, node.value)

    def name(self, node: nodes.Name, _depth: int) -> Node:
        match node.name:
            case "now":
                return tree.Clock(node.lineno, timedelta(0), "now")
            case "entry_event":
                return tree.EntryEvent(node.lineno)
            case word if word in LINKS:
                return tree.Link(node.lineno, word)
            case "event" | "entry" | "run" | "with":
                return tree.Path(node.lineno, _ROOTS[node.name], ())
            case "profile":
                raise ExpressionError(
                    "`profile` alone is no value",
                    hint="name a trait, for example `profile.plan`",
                    offset=node.lineno,
                )
            case _:
                raise unknown_name(node.name, node.lineno)

    def member(self, node: nodes.Getattr | nodes.Getitem, depth: int) -> Node:
        keys: list[str] = []
        base: nodes.Expr = node
        while isinstance(base, nodes.Getattr | nodes.Getitem):
            keys.append(base.attr if isinstance(base, nodes.Getattr) else member_key(base))
            base = base.node
        keys.reverse()
        if isinstance(base, nodes.Name) and base.name in _ROOTS:
            path = tuple(keys)
            return tree.Path(
                base.lineno, _ROOTS[base.name], trait_path(path) if base.name == "profile" else path
            )
        return tree.Member(base.lineno, self.build(base, depth), tuple(keys))

    def call(self, node: nodes.Call, depth: int) -> Node:
        if not isinstance(node.node, nodes.Name):
            raise refused_method(node)
        name, at = node.node.name, node.node.lineno
        if name not in FUNCTIONS | LINK_FUNCTIONS and name != "step":
            raise unknown_function(name, at)
        only_plain_arguments(node)
        return build_call(name, Arguments(at, node.args, node.kwargs, lambda item: self.build(item, depth)))

    def filtered(self, node: nodes.Filter, depth: int) -> Node:
        name, at = node.name, node.lineno
        if name not in FILTERS:
            raise unknown_filter(name, at)
        only_plain_arguments(node)
        least, most = _FILTER_ARGUMENTS.get(FilterName(name), (0, 0))
        count_arguments(f"`| {name}`", node, least, most)
        if node.node is None:  # only a `{% filter %}` block leaves it out, and statements never come here
            raise refused_form(node)
        args = self.build_all(node.args, depth)
        if name == FilterName.EXTRACT:
            self._regex(args[0], "extract")
        of = self.build(node.node, depth)
        return tree.Filtered(of.at, FilterName(name), of, args)

    def tested(self, node: nodes.Test, depth: int) -> Node:
        name = node.name
        if name not in TESTS:
            raise unknown_test(name, self._test_word(node.lineno))
        only_plain_arguments(node)
        needed = 1 if name in _TESTS_OF_ONE else 0
        count_arguments(f"`is {name}`", node, needed, needed)
        args = self.build_all(node.args, depth)
        if name == TestName.MATCHING:
            self._regex(args[0], "matching")
        of = self.build(node.node, depth)
        return tree.Tested(of.at, TestName(name), of, args)

    def negation(self, node: nodes.Not, depth: int) -> Node:
        return tree.Not(node.lineno, self.build(node.node, depth))

    def negative(self, node: nodes.Neg, depth: int) -> Node:
        operand = self.build(node.node, depth)
        if isinstance(operand, tree.Literal) and is_number(operand.value):
            return tree.Literal(node.lineno, negate(operand.value))
        return tree.Negate(node.lineno, operand)

    def both(self, node: nodes.And, depth: int) -> Node:
        return tree.Both(node.lineno, self._chain(node, nodes.And, depth))

    def either(self, node: nodes.Or, depth: int) -> Node:
        return tree.Either(node.lineno, self._chain(node, nodes.Or, depth))

    def _chain(self, node: nodes.BinExpr, kind: type[nodes.BinExpr], depth: int) -> tuple[Node, ...]:
        items: list[nodes.Expr] = []
        current: nodes.Expr = node
        while isinstance(current, kind):
            items.append(current.right)
            current = current.left
        items.append(current)
        return tuple(self.build(item, depth) for item in reversed(items))

    def arithmetic(self, node: nodes.BinExpr, depth: int) -> Node:
        rest: list[tuple[Sign, nodes.Expr]] = []
        current: nodes.Expr = node
        while type(current) in _SIGNS and isinstance(current, nodes.BinExpr):
            rest.append((_SIGNS[type(current)], current.right))
            current = current.left
        rest.reverse()
        first = self.build(current, depth)
        return tree.Arithmetic(first.at, first, tuple((sign, self.build(item, depth)) for sign, item in rest))

    def compare(self, node: nodes.Compare, depth: int) -> Node:
        left = self.build(node.expr, depth)
        pairs: list[Node] = []
        for operand in node.ops:
            right = self.build(operand.expr, depth)
            pairs.append(tree.Compare(left.at, _OPS[operand.op], left, right))
            left = right
        return pairs[0] if len(pairs) == 1 else tree.Both(pairs[0].at, tuple(pairs))

    def choice(self, node: nodes.CondExpr, depth: int) -> Node:
        otherwise = tree.Literal(node.lineno, None) if node.expr2 is None else self.build(node.expr2, depth)
        return tree.Choice(
            node.lineno, self.build(node.test, depth), self.build(node.expr1, depth), otherwise
        )

    def list_of(self, node: nodes.List, depth: int) -> Node:
        return tree.ListOf(node.lineno, self.build_all(node.items, depth))

    def _test_word(self, at: int) -> int:
        """Return where the word after `is` or `is not` stands."""
        words = [position for position, raw in self._raw.items() if position > at and raw != "not"]
        return words[0] if words else at

    def _regex(self, pattern: Node, what: str) -> None:
        text = literal_text(pattern, f"the pattern of `{what}`")
        try:
            check_regex(text)
        except ExpressionError as exc:
            at = pattern.at + quoted_offset(self._raw[pattern.at], exc.offset)
            raise ExpressionError(exc.message, hint=exc.hint, offset=at) from exc


_HANDLERS: dict[type[nodes.Node], Callable[[_Builder, Any, int], Node]] = {
    nodes.Const: _Builder.constant,
    nodes.Name: _Builder.name,
    nodes.Getattr: _Builder.member,
    nodes.Getitem: _Builder.member,
    nodes.Call: _Builder.call,
    nodes.Filter: _Builder.filtered,
    nodes.Test: _Builder.tested,
    nodes.Not: _Builder.negation,
    nodes.Neg: _Builder.negative,
    nodes.And: _Builder.both,
    nodes.Or: _Builder.either,
    nodes.Add: _Builder.arithmetic,
    nodes.Sub: _Builder.arithmetic,
    nodes.Mul: _Builder.arithmetic,
    nodes.Div: _Builder.arithmetic,
    nodes.Compare: _Builder.compare,
    nodes.CondExpr: _Builder.choice,
    nodes.List: _Builder.list_of,
}
