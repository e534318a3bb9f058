"""Connectors: conferencing platforms announce recordings, which become jobs."""
