"""Transcripts of conferencing platforms, which replace speech recognition and provide speaker names."""
