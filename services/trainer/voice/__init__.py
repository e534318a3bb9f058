"""The voice emotion network."""
