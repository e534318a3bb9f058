"""Transcripts that a conferencing platform wrote: their words and names replace what we would have heard."""
