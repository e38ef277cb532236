"""Strict YAML: values that still know where they stand in their file."""
