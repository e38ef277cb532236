"""The real stack: PostgreSQL, Valkey, API, workers and sandbox as processes of their own."""
