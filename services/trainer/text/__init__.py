"""The text emotion network."""
