"""Transcripts out: as JSON and as views, summed up, searched, and corrected by people."""
