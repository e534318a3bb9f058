"""Export formats of a transcript."""
