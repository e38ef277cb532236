"""Expressions: the language of conditions and texts. Parsed by Jinja2, typed by us, compiled to closures.

`compile_expression` and `compile_text` give immutable objects; `Scope` is what they are evaluated against. Evaluation
is total (no data makes it raise), bounded in time, and reads no clock but `scope.now`. `Expression.node` is the typed
tree for compilers to other targets.
"""

from engage.domain.expression.check import Type
from engage.domain.expression.compiled import Expression, compile_expression
from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.foldable import Foldable
from engage.domain.expression.hashing import bucket, split_fraction
from engage.domain.expression.places import Place
from engage.domain.expression.reads import EventRead, Reads
from engage.domain.expression.regex import check_regex
from engage.domain.expression.scope import EventFact, History, Kept, MapHistory, PastEvent, Scope, Value
from engage.domain.expression.text import Text, compile_text
from engage.domain.expression.values import equal, order_key, parse_instant, text_of

__all__ = [
    "EventFact",
    "EventRead",
    "Expression",
    "ExpressionError",
    "Foldable",
    "History",
    "Kept",
    "MapHistory",
    "PastEvent",
    "Place",
    "Reads",
    "Scope",
    "Text",
    "Type",
    "Value",
    "bucket",
    "check_regex",
    "compile_expression",
    "compile_text",
    "equal",
    "order_key",
    "parse_instant",
    "split_fraction",
    "text_of",
]
