"""Hume's batch API for expression measurement."""
