"""What comes from people who wish us ill, or from machines that make mistakes."""
