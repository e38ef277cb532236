"""Expressions in SQL: a rule as a condition over all profiles at once, for previews, backfills, broadcasts and signals.

Every condition is a pair, *surely* and *maybe*: surely ⇒ the rule holds in Python ⇒ maybe. Where SQL can say exactly what
Python would, both are the same text; where it cannot, the pair keeps the truth between them, and `not` swaps them, so
that a superset stays one under negation. Whoever is maybe but not surely meant is judged in Python.
"""

from engage.storage.expression_sql.fragments import Condition, Params
from engage.storage.expression_sql.question import Question

__all__ = ["Condition", "Params", "Question"]
