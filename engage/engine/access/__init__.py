"""Access: who may do what here, and how passwords are kept."""
