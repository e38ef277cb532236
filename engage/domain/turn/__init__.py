"""Turn: one batch of facts, decided."""
