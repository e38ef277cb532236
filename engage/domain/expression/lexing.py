"""Tokens of an expression: Jinja2's lexer, with exact positions, exact numbers and early refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from jinja2 import Environment, TemplateSyntaxError
from jinja2.lexer import TOKEN_EOF, Token, TokenStream, operators

from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.hints import DATE_UNITS, WORDS

MAX_LENGTH = 4_000
MAX_DEPTH = 50

_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 -- only its lexer is used
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_ESCAPE = re.compile(r"\\(?:([\\'\"])|([ntr])|u([0-9a-fA-F]{4}))")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none"})

_REFUSED = {
    "mod": ("`%` is not available", "a share is a number: `0.2`; for a remainder use `bucket('salt')`"),
    "floordiv": ("`//` is not available", "write `(a / b) | round`"),
    "pow": ("`**` is not available", "write `a * a`"),
    "tilde": ("`~` is not available", "join texts with `+`"),
    "lbrace": ("objects cannot be written in an expression", "read them by name, as in `entry.address.city`"),
    "rbrace": ("`}` has nothing to close", "check the brackets"),
    "semicolon": ("`;` does not belong in an expression", "write one expression, joined by `and` or `or`"),
    "colon": (
        "`:` does not belong in an expression",
        "for a part of a list or text use `| head(n)` or `| tail(n)`",
    ),
    "variable_end": ("`}}` does not belong in an expression", "write the expression without `{{ }}`"),
}
_UNKNOWN = {
    "&&": ("`&&` is not available", "did you mean `and`?"),
    "&": ("`&` is not available", "did you mean `and`?"),
    "!": ("`!` is not available", "did you mean `not`?"),
    "?": ("`?` is not available", "write `a if condition else b`"),
    "'": ("a text is not closed", "add the missing `'`"),
    '"': ("a text is not closed", 'add the missing `"`'),
    "$": ("`$` does not belong in an expression", "write the number alone"),
    "#": ("`#` does not belong in an expression", "texts stand in quotes: `'#1'`"),
    "@": ("`@` does not belong in an expression", "texts stand in quotes: `'a@shop.example'`"),
    "^": ("`^` is not available", "write `a * a`"),
}
_CURLY_QUOTES = "“”„‘’‚«»`"


class Lexeme(NamedTuple):
    """One token as written; `kind` is Jinja2's word for it."""

    at: int
    kind: str
    raw: str


def lex(source: str) -> list[Lexeme]:
    """Return the tokens of `source` without white space.

    Raises:
        ExpressionError: it is too long, or has a character, word or operator that the language has not.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(source)} characters, more than {MAX_LENGTH}",
            hint="move parts of it into audiences or computed traits",
            offset=MAX_LENGTH,
        )
    lexemes = list(_raw(source))
    if not lexemes:
        raise ExpressionError(
            "the expression is empty", hint="write a condition, for example `profile.plan == 'pro'`"
        )
    _refuse_early(lexemes)
    return lexemes


def _raw(source: str) -> Iterator[Lexeme]:
    # Jinja2's lexer counts lines only, but it gives back every character, so that adding up lengths gives offsets.
    source = source.replace("\r\n", " \n").replace("\r", "\n")
    at = 0
    try:
        for _, kind, raw in _ENVIRONMENT.lexer.tokeniter(source, None, None, "variable"):
            if kind == "operator":
                yield Lexeme(at, operators[raw], raw)
            elif kind not in ("whitespace", "variable_begin"):
                yield Lexeme(at, kind, raw)
            at += len(raw)
            if kind == "variable_end":
                return
    except TemplateSyntaxError as exc:
        raise _unlexed(source, at, exc) from exc


def _unlexed(source: str, at: int, exc: TemplateSyntaxError) -> ExpressionError:
    char = "&&" if source.startswith("&&", at) else source[at : at + 1]
    if char in _CURLY_QUOTES and char:
        return ExpressionError(
            f"`{char}` is not a quote here", hint="use straight quotes: `'text'`", offset=at
        )
    if char and char in ")]}":
        return ExpressionError(f"`{char}` closes nothing that is open", hint="check the brackets", offset=at)
    message, hint = _UNKNOWN.get(
        char, (f"`{char}` does not belong in an expression", "texts stand in quotes")
    )
    return ExpressionError(message, hint=hint, offset=at)


def _refuse_early(lexemes: list[Lexeme]) -> None:
    """Refuse what the parser would accept, fold away or explain badly."""
    depth = 0
    before = two_before = Lexeme(0, "", "")
    for place, lexeme in enumerate(lexemes):
        at, kind, _ = lexeme
        if kind in ("lparen", "lbracket"):
            depth += 1
            if depth > MAX_DEPTH:
                raise too_deep(at)
        elif kind in ("rparen", "rbracket"):
            depth -= 1
        elif kind == "name" and before.kind != "dot":
            _refuse_word(lexeme, before, is_argument=two_before.raw in ("is", "not"))
        elif kind == "assign":
            names_argument = before.kind == "name" and two_before.kind in ("lparen", "comma") and depth > 0
            if not names_argument:
                follows = lexemes[place + 1].raw if place + 1 < len(lexemes) else ""
                if follows in ("<", ">"):
                    raise ExpressionError(
                        f"`={follows}` is the wrong way round", hint=f"did you mean `{follows}=`?", offset=at
                    )
                raise ExpressionError("`=` does not compare", hint="did you mean `==`?", offset=at)
        elif kind in _REFUSED:
            _refuse_operator(lexeme, before)
        _refuse_pair(before, lexeme)
        two_before, before = before, lexeme


def _refuse_operator(lexeme: Lexeme, before: Lexeme) -> None:
    message, hint = _REFUSED[lexeme.kind]
    if lexeme.kind == "lbrace" and before.kind in ("", "lbrace"):
        message, hint = "an expression stands without `{{ }}`", "leave the braces out"
    raise ExpressionError(message, hint=hint, offset=lexeme.at)


def _refuse_word(lexeme: Lexeme, before: Lexeme, *, is_argument: bool) -> None:
    lower = lexeme.raw.lower()
    if lexeme.raw != lower and lower in _KEYWORDS and lexeme.raw not in ("True", "False", "None"):
        raise ExpressionError(
            f"`{lexeme.raw}` is not a word here", hint=f"did you mean `{lower}`?", offset=lexeme.at
        )
    follows_value = before.kind in ("name", "string", "integer", "float", "rparen", "rbracket")
    if follows_value and not is_argument and before.raw not in _KEYWORDS and lower not in _KEYWORDS:
        if before.kind in ("integer", "float") and lower.rstrip("s") in DATE_UNITS:
            raise ExpressionError(
                f"`{before.raw} {lexeme.raw}` is a duration without quotes",
                hint=f"write `'{before.raw} {lexeme.raw}'`",
                offset=before.at,
            )
        hint = WORDS.get(lower, "")
        raise ExpressionError(
            f"`{lexeme.raw}` does not fit after `{before.raw}`",
            hint=f"did you mean {hint}?" if hint else "an operator such as `and` or `==` is missing",
            offset=lexeme.at,
        )


def _refuse_pair(before: Lexeme, lexeme: Lexeme) -> None:
    pair = (before.kind, lexeme.kind)
    touching = lexeme.at == before.at + len(before.raw)
    if pair == ("string", "string"):
        raise ExpressionError("two texts stand side by side", hint="join them with `+`", offset=lexeme.at)
    if pair == ("pipe", "pipe"):
        raise ExpressionError("`||` is not available", hint="did you mean `or`?", offset=before.at)
    if pair == ("lt", "gt") and touching:
        raise ExpressionError("`<>` is not available", hint="did you mean `!=`?", offset=before.at)


def too_deep(at: int) -> ExpressionError:
    """Return the refusal of an expression nested beyond the limit."""
    return ExpressionError(
        f"the expression is nested deeper than {MAX_DEPTH} levels",
        hint="move parts of it into audiences or computed traits",
        offset=at,
    )


def unquote(raw: str) -> str:
    r"""Return the text that a quoted literal stands for.

    Known escapes are `\\ \' \" \n \t \r \uXXXX`; any other backslash stays, so that `'\d'` is a regular expression.
    """
    body = raw[1:-1]
    return _ESCAPE.sub(_escape, body) if "\\" in body else body


def _escape(match: re.Match[str]) -> str:
    literal, control, code = match.groups()
    if literal:
        return literal
    if control:
        return _CONTROL[control]
    char = chr(int(code, 16))
    return match.group(0) if "\ud800" <= char <= "\udfff" else char


def quoted_offset(raw: str, index: int) -> int:
    """Return where in the literal `raw` the character `index` of its text is written."""
    position = 1
    for _ in range(index):
        match = _ESCAPE.match(raw, position)
        position = match.end() if match else position + 1
    return position


def _number(lexeme: Lexeme) -> int | Decimal:
    if not _NUMBER.fullmatch(lexeme.raw):
        raise ExpressionError(
            f"`{lexeme.raw}` is not a plain number",
            hint="write digits, for example `1000` or `12.5`",
            offset=lexeme.at,
        )
    return int(lexeme.raw) if lexeme.raw.isdigit() and len(lexeme.raw) <= 1_000 else Decimal(lexeme.raw)


def stream(source: str, lexemes: list[Lexeme]) -> TokenStream:
    """Return the tokens for Jinja2's parser; where it expects a line number stands the offset."""
    return TokenStream(_tokens(source, lexemes), None, None)


def _tokens(source: str, lexemes: list[Lexeme]) -> Iterator[Token]:
    for lexeme in lexemes:
        at, kind, raw = lexeme
        value: Any = raw
        if kind == "string":
            value = unquote(raw)
        elif kind in ("integer", "float"):
            value = _number(lexeme)
        elif kind == "name" and not raw.isidentifier():
            raise ExpressionError(f"`{raw}` is not a name", hint="use quotes for texts", offset=at)
        yield Token(at, kind, value)
    yield Token(len(source.rstrip()), TOKEN_EOF, "")
