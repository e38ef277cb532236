"""Broadcast: one tick or signal enters many, by a cursor and at a pace."""
