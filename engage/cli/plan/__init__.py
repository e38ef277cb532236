"""Plan: the commands that change what is live, and what they would change."""
