"""Explain: the answer to "why" about one person."""
