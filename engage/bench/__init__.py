"""Bench: the workloads of the performance budgets, against the real processes; stands apart from the floors of the house."""
