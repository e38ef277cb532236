"""Plan: what publishing would change, and for whom. Pure."""
