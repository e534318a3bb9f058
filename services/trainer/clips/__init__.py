"""Multimodal networks, trained on clips and served as fusion engines."""
