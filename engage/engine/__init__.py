"""The use cases: one trip, one room, one transaction. Rooms never call each other; they meet in tables."""
