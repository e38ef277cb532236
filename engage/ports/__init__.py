"""What the engine asks of the world: one file per kind of thing, each declared by the room that needs it."""
