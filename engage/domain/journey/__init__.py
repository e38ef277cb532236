"""Journey: what a marketer wrote, and how a run goes through it."""
