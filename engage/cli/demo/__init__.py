"""Demo: a small shop's customers on real journeys."""
