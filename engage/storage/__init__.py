"""Storage: PostgreSQL, which is the truth, and its twin in memory, which is held to the same contract."""
