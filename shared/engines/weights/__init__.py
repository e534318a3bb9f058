"""Weights: what is bundled and what can be fetched, and their verification."""
