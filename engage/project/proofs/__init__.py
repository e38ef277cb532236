"""Proofs: what the language allows and a marketer probably does not mean."""
