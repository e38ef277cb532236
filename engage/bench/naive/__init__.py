"""The naive twin: what one would write by hand — a task per step, an ORM row and a commit each, the stock SDKs."""
