"""The results service: serves transcripts as JSON and in other formats, summaries, search and corrections."""
