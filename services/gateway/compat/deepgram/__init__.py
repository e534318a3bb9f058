"""Deepgram's API for recorded speech."""
