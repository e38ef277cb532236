"""Real processes, killed at every place where it could matter, and started again."""
