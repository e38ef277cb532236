"""Canonical: what a client sent, in the one form in which the house reads it. Pure."""
