"""Links: what we hand out, signed."""
