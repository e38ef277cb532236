"""Versions: one file per step; its name ends in `before` or `after`, as seen from the deployment it belongs to."""
