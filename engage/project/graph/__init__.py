"""Graph: a journey as a picture, a diagram, or data. Pure."""
