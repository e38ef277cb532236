"""Inline texts, which are sent as they are written, without a template: what is wrong with one is said in the same words before it
is taken and when it is rendered."""

from jinja2 import TemplateSyntaxError

from engage.templating.check import findings
from engage.templating.environment import StrictEnvironment
from engage.templating.syntax_words import in_words

_PARSER = StrictEnvironment({})


def text_problem(text: str) -> str | None:
    """Return what is wrong with a text, whoever it is for; None if nothing is."""
    if "{" not in text:
        return None
    try:
        found = findings(_PARSER.parse(text), ())
    except TemplateSyntaxError as exc:
        return "the text cannot be read: " + "; ".join(filter(None, in_words(exc.message)))
    except RecursionError:
        return "the text is nested too deeply"
    first = found[0] if found else None
    return None if first is None else "; ".join(filter(None, (first.message, first.hint)))
