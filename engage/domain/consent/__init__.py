"""Consent: what a person allowed, and every way in which they say no."""
