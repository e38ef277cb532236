"""The database of an older release, as its own code left it, goes on under today's."""
