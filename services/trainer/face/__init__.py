"""The face emotion network."""
