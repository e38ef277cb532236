"""Templating: folders of `templates/` become content for one person, compiled once, rendered within bounds."""

from engage.templating.check import Use
from engage.templating.compiling import compile_templates
from engage.templating.gsm import segments
from engage.templating.inline import text_problem
from engage.templating.source import TemplateProblem, TemplateSource
from engage.templating.template_set import TemplateSet

__all__ = [
    "TemplateProblem",
    "TemplateSet",
    "TemplateSource",
    "Use",
    "compile_templates",
    "segments",
    "text_problem",
]
