"""Delivery: one message or call to one person, from the judgement that releases it to its last receipt."""
