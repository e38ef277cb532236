"""Audience: rules over profiles and events, computed traits, and who is in them."""
