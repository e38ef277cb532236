"""Testing: scenarios that marketers write, run by the engine's own rooms on a virtual clock."""

from engage.testing.errors import ScenarioError, UnusablePathError
from engage.testing.report import Report, Result
from engage.testing.run import run_scenarios

__all__ = ["Report", "Result", "ScenarioError", "UnusablePathError", "run_scenarios"]
