"""What is counted once stays counted."""
