"""Digest: facts and due timers become everything that follows."""
