"""The workloads of the budget page, one file per kind."""
