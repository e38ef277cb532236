"""Chaos: the real stack under load, killed again and again, then held to every promise. A proof anyone can repeat."""
