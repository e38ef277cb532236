"""The sandbox: Jinja2 with the language's values, without Python behind them, and with a price on everything."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from jinja2 import BaseLoader, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import Template, TemplateModule
from jinja2.nodes import EvalContext
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing
from markupsafe import Markup, escape

from engage.domain.expression import equal
from engage.domain.expression.numbers import add, divide, is_number, multiply, negate, number_text, subtract
from engage.domain.expression.values import contains, dig, less, less_or_equal
from engage.templating.filters import FILTERS, TESTS
from engage.templating.functions import FUNCTIONS
from engage.templating.values import (
    Missing,
    MissingResult,
    MissingValueError,
    RefusalError,
    looped,
    plain,
    printed,
    rendering,
)

MARKUP = (".html", ".mjml", ".xml", ".ssml")
PRICES: dict[str, Callable[..., Any]] = {"_looped": looped, "_spend": rendering.spend}
"""Filters that the compiler puts in."""
_OPERATORS = {"eq": "equal", "ne": "unequal", "lt": "less", "lteq": "less_or_equal", "in": "within"}
_MIRRORED = {"gt": "less", "gteq": "less_or_equal"}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {"-": subtract, "*": multiply, "/": divide}
# Objects of the template engine itself: their public attributes are the language.
_ENGINE = (LoopContext, TemplateModule, Namespace, TemplateReference)
_CALLABLE = (Macro, BlockReference)
_TOO_LONG = re.compile(r"[0-9a-fA-F_]{3000,}")
_LOOP_METHODS = frozenset({"cycle", "changed"})


class _Generator(CodeGenerator):
    """Compiles comparisons, joins and numbers to the language's own; tells missing values their full names."""

    def visit_Const(self, node: nodes.Const, frame: Frame) -> None:  # noqa: N802 - Jinja's visitor
        value = node.as_const(frame.eval_ctx)
        if isinstance(value, Decimal | float):
            self.write(f"environment.decimal({str(value)!r})")
        else:
            self.write(repr(value))

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("), context.eval_ctx)")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        left: nodes.Expr = node.expr
        self.write("(")
        for number, operand in enumerate(node.ops):
            if number:
                self.write(" and ")
            first, second = (operand.expr, left) if operand.op in _MIRRORED else (left, operand.expr)
            if operand.op == "notin":
                self.write("not ")
            name = _MIRRORED.get(operand.op) or _OPERATORS[operand.op.removeprefix("not")]
            self.write(f"environment.{name}(")
            self.visit(first, frame)
            self.write(", ")
            self.visit(second, frame)
            self.write(")")
            left = operand.expr
        self.write(")")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802
        self.write("environment.getattr(")
        self.visit(node.node, frame)
        self.write(f", {node.attr!r}, {path_of(node)!r})")


def path_of(node: nodes.Node) -> str:
    """Return a chain of names as it was written (`profile.address.city`), as far as it is one."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{path_of(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Const() as key):
            return f"{path_of(node.node)}.{key.value}"
        case _:
            return "…"


class _Context(Context):
    """Looks names up; what is put in as `Lazy` is made when it is asked for."""

    def resolve_or_missing(self, key: str) -> Any:
        value = self.vars.get(key, missing)
        if value is missing:
            value = self.parent.get(key, missing)
            if value is missing:
                return FUNCTIONS.get(key, missing)
        if type(value) is Lazy:
            value = value.make()
        return missing if value is None else value


class Lazy:
    """A value that is made when a template asks for it."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class Sources(BaseLoader):
    """Templates and partials by name; a partial is found with and without its folder `_shared/`."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def find(self, name: str) -> str | None:
        """Return the full name of a partial."""
        for candidate in (name, f"_shared/{name}"):
            if candidate in self.files:
                return candidate
        return None

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        found = self.find(template)
        if found is None:
            raise TemplateNotFound(template)
        return self.files[found], found, lambda: True


class StrictEnvironment(ImmutableSandboxedEnvironment):
    """One for all templates of a project. Attribute access reads data only; nothing but our functions can be called."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})
    code_generator_class = _Generator
    context_class = _Context

    def __init__(self, files: Mapping[str, str]) -> None:
        self.sources = Sources(files)
        super().__init__(
            undefined=Missing,
            autoescape=_escapes,
            loader=self.sources,
            finalize=printed,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.globals.clear()
        self.filters = {**FILTERS, **PRICES}
        self.tests = dict(TESTS)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        try:
            return _priced(super()._parse(source, name, filename))
        except ValueError as exc:  # Python reads no number of more digits than these.
            found = _TOO_LONG.search(source)
            line = 1 if found is None else 1 + source.count("\n", 0, found.start())
            raise TemplateSyntaxError("a number has too many digits", line, name, filename) from exc

    # --- reading ---

    def getattr(self, obj: Any, attribute: str, path: str | None = None) -> Any:
        """Read data, never methods: `entry.items` is the property of that name."""
        if attribute[:1] == "_":
            raise RefusalError(f"`{attribute}` is not available: names with `_` in front are hidden")
        if type(obj) is dict or isinstance(obj, Mapping):
            value = obj.get(attribute)
        elif isinstance(obj, list):
            value = dig(obj, (attribute,))
        elif isinstance(obj, _ENGINE):
            value = _engine_attribute(obj, attribute)
        else:
            value = None
        return Missing(name=path or attribute) if value is None else value

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read one element or property; what is not there is missing."""
        argument = plain(argument)
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, list | tuple | str) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                pass
        return Missing(name=f"[{argument}]")

    # --- calling ---

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, a block, one of our functions or a method of `loop`; nothing else."""
        rendering.spend_call()
        if isinstance(obj, Missing):
            raise RefusalError(f"`{obj.path}` is no function")
        is_loop = isinstance(getattr(obj, "__self__", None), LoopContext) and obj.__name__ in _LOOP_METHODS
        if isinstance(obj, _CALLABLE) or is_loop or obj in FUNCTIONS.values():
            return context.call(obj, *args, **kwargs)
        raise RefusalError("only functions and macros can be called")

    # --- computing ---

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute as expressions do: exact numbers, `+` also joins texts."""
        if isinstance(left, Missing) or isinstance(right, Missing) or left is None or right is None:
            culprit = left if isinstance(left, Missing) else right
            return MissingResult(name=culprit.path if isinstance(culprit, Missing) else None)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            rendering.spend_text(len(left) + len(right))
            return left + right
        if not is_number(left) or not is_number(right):
            raise RefusalError(f"`{operator}` computes with numbers only; `~` joins texts")
        return _number(operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """Negate a number."""
        if isinstance(arg, Missing) or arg is None:
            return MissingResult(name=arg.path if isinstance(arg, Missing) else None)
        if not is_number(arg):
            raise RefusalError(f"`{operator}` computes with numbers only")
        return negate(arg) if operator == "-" else arg

    @staticmethod
    def decimal(text: str) -> Decimal:
        """Return a number of the source, exact."""
        return Decimal(text)

    @staticmethod
    def joined(parts: tuple[Any, ...], eval_ctx: EvalContext) -> str:
        """Join what `~` joins, each as it is printed."""
        texts = [printed(part) for part in parts]
        rendering.spend_text(sum(map(len, texts)))
        if eval_ctx.autoescape and any(isinstance(text, Markup) for text in texts):
            return Markup("").join([escape(text) for text in texts])
        return "".join(texts)

    # --- comparing ---

    @staticmethod
    def equal(a: Any, b: Any) -> bool:
        return equal(plain(a), plain(b))

    @staticmethod
    def unequal(a: Any, b: Any) -> bool:
        return not equal(plain(a), plain(b))

    @staticmethod
    def less(a: Any, b: Any) -> bool:
        return less(plain(a), plain(b))

    @staticmethod
    def less_or_equal(a: Any, b: Any) -> bool:
        return less_or_equal(plain(a), plain(b))

    @staticmethod
    def within(item: Any, container: Any) -> bool:
        container = plain(container)
        return contains(list(container) if isinstance(container, tuple) else container, plain(item))


def _priced(tree: nodes.Template) -> nodes.Template:
    """Put a price on loops and macros, and make numbers exact."""
    for number in tree.find_all(nodes.Const):
        if isinstance(number.value, float):
            number.value = Decimal(repr(number.value))
        elif isinstance(number.value, int):
            # As the compiled template holds it: Python refuses one of too many digits here, hexadecimal ones too.
            str(number.value)
    for loop in list(tree.find_all(nodes.For)):
        size = nodes.Const(_fixed_text(loop))
        loop.iter = nodes.Filter(loop.iter, "_looped", [size], [], None, None).set_lineno(
            loop.lineno, override=True
        )
    for macro in list(tree.find_all(nodes.Macro)):
        price = nodes.Filter(nodes.Const(1 + _fixed_text(macro) // 64), "_spend", [], [], None, None)
        macro.body.insert(0, nodes.ExprStmt(price).set_lineno(macro.lineno, override=True))
    return tree


def _fixed_text(node: nodes.Node) -> int:
    return sum(len(data.data) for data in node.find_all(nodes.TemplateData))


def _escapes(name: str | None) -> bool:
    return name is not None and name.endswith(MARKUP)


def _engine_attribute(obj: Any, attribute: str) -> Any:
    if isinstance(obj, LoopContext) and callable(getattr(LoopContext, attribute, None)):
        return getattr(obj, attribute) if attribute in _LOOP_METHODS else None
    value = getattr(obj, attribute, None)
    if isinstance(value, Missing):
        return None
    # Of a module only its macros and values are the language, not its Python.
    return value if not callable(value) or isinstance(value, _CALLABLE) else None


def _number(operator: str, left: Any, right: Any) -> Any:
    if operator in {"//", "%"}:
        if not isinstance(left, int) or not isinstance(right, int) or right == 0:
            raise RefusalError(f"`{operator}` needs whole numbers, the second not 0")
        return left // right if operator == "//" else left % right
    result = add(left, right) if operator == "+" else _ARITHMETIC[operator](left, right)
    if result is None:
        raise RefusalError("a division by zero" if operator == "/" else "a number is too large")
    if isinstance(result, Decimal) and result == result.to_integral_value():
        return int(result)
    # As expressions print it: a result has no zeros that nobody wrote.
    return Decimal(number_text(result)) if isinstance(result, Decimal) else result


def render_text(template: Template, values: dict[str, Any]) -> str:
    """Return a template rendered with these values, whatever else is known being our functions.

    Raises:
        Exception: whatever the template runs into.
    """
    context = template.new_context(values, shared=True)
    return "".join(template.root_render_func(context))


__all__ = ["Lazy", "MissingValueError", "StrictEnvironment", "path_of", "render_text"]
